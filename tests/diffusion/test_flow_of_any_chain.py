"""The likelihood by the flow of Gaussian data is known in closed form, for a chain of whatever rows."""

import math

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alphabar.diffusion import FIXED_SMALL, PARAMETERIZATIONS, Denoiser, NoiseSchedule, cosine, linear
from alphabar.diffusion.adaptive_ode import solve
from alphabar.diffusion.probability_flow import flow_log_density

WHOLE = {"linear": linear(1000), "cosine": cosine(400), "short linear": linear(50)}
SHAPE = (1, 2, 2)


def gaussian(schedule: NoiseSchedule, mean: float, std: float, name: str) -> Denoiser:
    """The exact denoiser of N(mean, std²) pixels at any fractional time, each image at its own."""
    chain = schedule.full or schedule
    times, log_sigma = chain.timesteps[1:].numpy(), -chain.half_log_snr[1:].numpy()

    def network(x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        sigma = np.exp(np.interp(time.numpy() + 1, times, log_sigma))
        a = torch.from_numpy(1 / (1 + sigma**2)).reshape(-1, 1, 1, 1)
        x0 = mean + a.sqrt() * std**2 / (a * std**2 + 1 - a) * (x - a.sqrt() * mean)
        eps = (x - a.sqrt() * x0) / (1 - a).sqrt()
        return {"eps": eps, "x0": x0, "v": a.sqrt() * eps - (1 - a).sqrt() * x0}[name]

    return Denoiser(network, schedule, PARAMETERIZATIONS[name], FIXED_SMALL)


def exact(schedule: NoiseSchedule, mean: float, std: float, x_1: torch.Tensor) -> torch.Tensor:
    """log N(x_T; 0, I) + log |dx_T/dx_1|, where x̄ − m stretches by √((s² + σ_T²)/(s² + σ_1²)) over this chain."""
    first, last = ((1 - float(a)) / float(a) for a in schedule.alpha_bar[[1, -1]])  # σ²
    stretch = math.sqrt((std**2 + last) / (std**2 + first))
    x_T = (mean + (x_1 * math.sqrt(1 + first) - mean) * stretch) / math.sqrt(1 + last)
    slope = stretch * math.sqrt((1 + first) / (1 + last))
    log_prior = -0.5 * (x_T**2 + math.log(2 * math.pi)).flatten(1).sum(1)
    return log_prior + x_1[0].numel() * math.log(slope)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(data=st.data())
def test_the_likelihood_of_any_chain_is_exact(data: st.DataObject) -> None:
    """In float64, with a divergence that is exact for independent pixels: what is left is the solver's tolerance."""
    whole = WHOLE[data.draw(st.sampled_from(sorted(WHOLE)))]
    rows = data.draw(st.none() | st.sets(st.integers(1, whole.T), min_size=1, max_size=6))
    schedule = whole if rows is None else whole.respace(sorted(rows))
    mean, std = data.draw(st.floats(-1, 1)), data.draw(st.floats(0.1, 1.5))
    denoiser = gaussian(schedule, mean, std, data.draw(st.sampled_from(["eps", "x0", "v"])))
    seed = data.draw(st.integers(0, 10**6))
    x_1 = torch.randn(3, *SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)

    def integrate(derivative, start, ends):
        def flat(sigma, state):
            x_bar, rate = derivative(sigma, (state[:, :-1].reshape(x_1.shape), state[:, -1]))
            return torch.cat([x_bar.flatten(1), rate[:, None]], 1)

        end, _ = solve(flat, torch.cat([start[0].flatten(1), start[1][:, None]], 1), *ends, 1e-8)
        return end[:, :-1].reshape(x_1.shape), end[:, -1]

    ours = flow_log_density(denoiser, x_1, torch.ones(1, *x_1.shape, dtype=torch.float64), integrate)
    torch.testing.assert_close(ours, exact(schedule, mean, std, x_1), rtol=1e-6, atol=1e-6)
