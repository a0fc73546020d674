"""The variational bound of a chain with ever more steps between the same ends (Kingma et al. 2021, Eq. 15–18).

As T → ∞ the terms between x_1 and x_T become ½ ∫ E‖ε − ε̂(x, λ)‖² dλ over the log-SNR λ, for any schedule and any
variance between β̃ and β. The integrand at a random λ estimates it without bias.
"""

import math
from dataclasses import replace

import torch
from torch import Tensor

from alphabar.diffusion.denoiser import Denoiser
from alphabar.diffusion.errors import DiffusionError
from alphabar.diffusion.parameterization import x0_to_eps
from alphabar.diffusion.process import q_sample
from alphabar.diffusion.schedule import NoiseSchedule


def log_snr_ends(denoiser: Denoiser) -> tuple[float, float]:
    """log SNR at t = 1 and t = T. Raises ValueError if the network cannot answer all between them."""
    if denoiser.schedule.full is not None:
        raise DiffusionError(
            "The continuous bound is of the chain that the network was trained on; leave out its respacing."
        )
    if denoiser.parameterization.name == "mu":
        raise DiffusionError(
            "The parameterization 'mu' depends on the steps of the chain, so it has no continuous bound."
        )
    if denoiser.schedule.ends_in_pure_noise or denoiser.schedule.T < 2:
        raise DiffusionError("The continuous bound needs a chain of two steps or more that does not end at ᾱ_T = 0.")
    levels = 2 * denoiser.schedule.half_log_snr
    return float(levels[1]), float(levels[-1])


def at_levels(denoiser: Denoiser, log_snr: Tensor) -> Denoiser:
    """The denoiser whose step k + 1 has the k-th of these levels, float64 (B,), and the time of its place in the chain.

    Only its output and its mean are of use: the rows are no chain.
    """
    table = 2 * denoiser.schedule.half_log_snr[1:].cpu()
    right = torch.searchsorted(-table, -log_snr.cpu()).clamp(1, len(table) - 1)
    share = (table[right - 1] - log_snr.cpu()) / (table[right - 1] - table[right])
    steps = denoiser.schedule.timesteps[1:].cpu().double()
    times = torch.lerp(steps[right - 1], steps[right], share)
    zero = torch.zeros(1, dtype=torch.float64)
    rows = NoiseSchedule(torch.cat([zero + 1, torch.sigmoid(log_snr.cpu())]), torch.cat([zero, times]))
    return replace(denoiser, schedule=rows.to(denoiser.schedule.alpha_bar.device))


def diffusion_term(denoiser: Denoiser, x0: Tensor, log_snr: Tensor, eps: Tensor) -> Tensor:
    """½ (λ_1 − λ_T) ‖ε − ε̂‖² / D in bits, float64 (B,). Its mean over λ ~ U[λ_T, λ_1] and ε is L_1 + ... + L_{T−1}.

    log_snr: λ of each image, float64 (B,). x0, eps: (B, C, H, W). The x0_transform is applied, as to the terms of a
    chain.
    """
    first, last = log_snr_ends(denoiser)
    at = at_levels(denoiser, log_snr)
    t = torch.arange(1, len(x0) + 1, device=at.schedule.alpha_bar.device)
    x_t = q_sample(at.schedule, x0, t, eps)
    x0_hat = at.parameterization.to_x0(at.schedule, at.output(x_t, t).mean.double(), x_t.double(), t)
    if at.x0_transform is not None:
        x0_hat = at.x0_transform(x0_hat)
    error = eps.double() - x0_to_eps(at.schedule, x0_hat, x_t.double(), t)
    return 0.5 * (first - last) / math.log(2) * error.square().flatten(1).mean(1)
