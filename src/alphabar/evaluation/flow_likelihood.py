"""The likelihood of images by the probability-flow ODE (Song et al. 2021), which is solved for each image by itself.

The flow has a density over x_1, the image at the chain's first noise level. An image x_0 on its grid of bytes is taken
there by the forward process, and back by the decoder:
−log P(x_0) ≤ E[−log p(x_1) − log p(x_0|x_1) + log q(x_1|x_0)] over q(x_1|x_0).
So the dequantization is the chain's own first step, and the result is a bound that only this step makes loose.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from alphabar.diffusion import DECODERS, Denoiser, p_transition, q_sample
from alphabar.diffusion.adaptive_ode import solve
from alphabar.diffusion.probability_flow import FlowState, check_has_flow, flow_log_density
from alphabar.errors import AlphabarError, sentences
from alphabar.evaluation.bound_job import BoundJob, completed, noise_of
from alphabar.images import to_signed

TOLERANCE = 1e-5
"""Relative and absolute, of the solver: Song et al. 2021, App. D.2."""
SOLVER = f"Dormand–Prince 4(5) for each image, rtol = atol = {TOLERANCE:g}"


def flow_bits(denoiser: Denoiser, job: BoundJob, device: torch.device) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """total (N,), bits/dim, and the row's entries about the solver; the processes share the work as in `bound`."""
    with sentences():
        check_has_flow(denoiser)
    done = completed(job, lambda rows: _bits(denoiser, job, rows, device))
    return {"total": done["bits"]}, {
        "solver": SOLVER,
        "nfe": round(done["calls"].double().mean().item(), 1),
        "divergence": "Hutchinson, one vector of signs per image",
        "dequantization": "x_1 ~ q(x_1|x_0), decoded by p(x_0|x_1): a bound",
    }


def _bits(denoiser: Denoiser, job: BoundJob, rows: slice, device: torch.device) -> dict[str, Tensor]:
    x0 = to_signed(job.images[rows].to(device))
    denoiser = job.told(denoiser, x0, rows)
    noise = noise_of(job.seeds[rows], x0)
    x_1 = q_sample(denoiser.schedule, x0, 1, noise(1))
    probes = noise(2).sign()[None]  # step 2 has other noise than step 1
    flowing = replace(denoiser, x0_transform=None)
    calls = torch.zeros(len(x0), dtype=torch.int64)

    def integrate(
        derivative: Callable[[Tensor, FlowState], FlowState], start: FlowState, ends: tuple[float, float]
    ) -> FlowState:
        def flat(sigma: Tensor, state: Tensor) -> Tensor:
            return _flattened(derivative(sigma, _unflattened(state, x0)))

        end, spent = solve(flat, _flattened(start), *ends, TOLERANCE)
        calls.copy_(spent)
        return _unflattened(end, x0)

    try:
        log_p = flow_log_density(flowing, x_1, probes, integrate).double()
    except ArithmeticError as error:
        raise AlphabarError(f"The probability flow of this model cannot be followed to its end: {error}.") from None
    with torch.no_grad():
        decoded = p_transition(denoiser.schedule, denoiser(x_1, 1), x_1, 1)
        log_decoder = DECODERS[job.decoder](decoded, x0).double().flatten(1).sum(1)
    size = x0[0].numel()
    entropy = 0.5 * size * math.log(2 * math.pi * math.e * float(1 - denoiser.schedule.alpha_bar[1]))
    bits = -(log_p + log_decoder + entropy) / (size * math.log(2))
    return {"bits": bits.cpu(), "calls": calls}


def _flattened(state: FlowState) -> Tensor:
    """(x̄ (B, ...), the integral (B,)) -> (B, D + 1) float64 on the CPU."""
    x_bar, integral = (part.detach().cpu().double() for part in state)
    return torch.cat([x_bar.flatten(1), integral[:, None]], 1)


def _unflattened(state: Tensor, like: Tensor) -> FlowState:
    return state[:, :-1].reshape(like.shape).to(like), state[:, -1].to(like)
