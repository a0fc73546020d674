"""What measuring a solver takes: chains with levels anywhere, the exact flow, and noisy chains without Monte Carlo.

The levels are placed in λ = ½ log(ᾱ/(1 − ᾱ)) by hand, so that no rounding to rows gets into the error, and the chain
goes on below the level where it is compared: the step to t = 0 is of infinite length in λ, of first order by design.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from diffusion_cases import denoiser, no_noise
from gaussian_data import GaussianData
from mixture_data import MixtureData
from torch import Tensor

from alphabar.diffusion import FIXED_SMALL, Denoiser, NoiseSchedule, Sampler, Step

BELOW = 4
"""Rows that the chains below have under the level of comparison."""


def chain(half_log_snr: Sequence[float]) -> NoiseSchedule:
    """The schedule with these λ_1 > λ_2 > ... > λ_T."""
    alpha_bar = torch.tensor([1.0, *(1 / (1 + math.exp(-2 * value)) for value in half_log_snr)], dtype=torch.float64)
    return NoiseSchedule(alpha_bar, torch.arange(len(alpha_bar)))


def _placed(position: Callable[[int], float], steps: int, noisy: float, clean: float) -> NoiseSchedule:
    scale = (clean - noisy) / position(steps)
    return chain([noisy + scale * position(k) for k in range(steps + BELOW, -1, -1)])


def even(steps: int, noisy: float = -3.0, clean: float = 3.0) -> NoiseSchedule:
    """`steps` equal steps in λ from the noisy end to the clean one, and BELOW more."""
    return _placed(float, steps, noisy, clean)


def uneven(steps: int, noisy: float = -3.0, clean: float = 3.0) -> NoiseSchedule:
    """Long and short steps in λ by turns, 2 : 1, which no refinement makes equal: the ratios of steps must be right."""
    return _placed(lambda k: k + (k + 1) // 2, steps, noisy, clean)


def even_in_t(steps: int) -> NoiseSchedule:
    """Equal steps in t on the cosine ᾱ(t) = cos²(πt/2), from t = 0.95 to t = 0.2, as λ = log cot(πt/2)."""
    times = [0.95 - 0.75 * k / steps for k in range(steps + BELOW, -1, -1)]
    return chain([-math.log(math.tan(math.pi / 2 * t)) for t in times])


def flow(data: GaussianData | MixtureData, x: Tensor, alpha_bar: float, alpha_bar_end: float) -> Tensor:
    """Where the probability flow takes x, exactly; a Gaussian keeps the distance from the mean in units of std."""
    if isinstance(data, MixtureData):
        return data.flow(x, alpha_bar, alpha_bar_end)
    (mean, variance), (mean_end, variance_end) = data.marginal(alpha_bar), data.marginal(alpha_bar_end)
    return mean_end + math.sqrt(variance_end / variance) * (x - mean)


def best(data: GaussianData | MixtureData, schedule: NoiseSchedule, parameterization: str = "x0") -> Denoiser:
    """The denoiser with the best network for the chain `schedule`."""
    return denoiser(schedule, parameterization, FIXED_SMALL, data.network(schedule, parameterization))


PROBES = torch.linspace(-1.8, 1.8, 7, dtype=torch.float64).reshape(-1, 1, 1, 1)


def flow_error(
    sampler: Sampler,
    data: GaussianData | MixtureData,
    schedule: NoiseSchedule,
    known: bool = False,
    end: int = 1 + BELOW,
) -> float:
    """RMS distance at row `end` of the real steps from the exact flow of the same probes.

    known: a multistep sampler starts with a history on the exact flow, instead of with lower orders.
    """
    a, d, T = schedule.alpha_bar.tolist(), best(data, schedule), schedule.T
    x, history = PROBES, ()
    for t in range(T, T - sampler.memory * known, -1):
        x_prev = flow(data, x, a[t], a[t - 1])
        history = (*history, Step(t - 1, x_prev, d(x, t).x0, source=x))
        x = x_prev
    for t in range(T - len(history), end, -1):
        step = sampler.step(d, x, t, history, no_noise)
        x, history = step.x, (*history, step)[-sampler.memory :] if sampler.memory else ()
    return float((x - flow(data, PROBES, a[T], a[end])).square().mean().sqrt())


def order(errors: Sequence[float], steps: Sequence[int]) -> float:
    """The p of error ∝ steps⁻ᵖ, by least squares."""
    return -float(np.polyfit(np.log(steps), np.log(errors), 1)[0])


@dataclass(frozen=True)
class Affine:
    """x_end = bias + from_start x_T + Σ_k from_noise[k] z_k with independent z_k ~ N(0, 1), of one pixel."""

    bias: float
    from_start: float
    from_noise: tuple[float, ...]

    def moments(self, mean: float, variance: float) -> tuple[float, float]:
        """Mean and variance of x_end for the x_T with these."""
        return self.bias + self.from_start * mean, self.from_start**2 * variance + sum(c**2 for c in self.from_noise)


def images(schedule: NoiseSchedule) -> int:
    """The size of the batch with which `affine` probes, with no sampler drawing more than once a step."""
    return schedule.T + 3


def affine(sampler: Sampler, d: Denoiser, end: int = 0, channels: int = 1) -> list[Affine]:
    """The map of the whole chain, by channel, for a denoiser that is affine in x: real steps, history and all.

    Image 0 starts at 0 and gets no noise, image 1 starts at 1, image 2 + k gets 1 as draw number k and nothing else; a
    last one, which gets everything at random, shows that the map is affine indeed.
    """
    x, draws = torch.zeros(images(d.schedule), channels, 1, 1, dtype=torch.float64), 0
    rng = torch.Generator().manual_seed(0)
    x[1], x[-1] = 1.0, torch.randn(1, generator=rng, dtype=torch.float64)
    start, mixed = float(x[-1, 0]), []

    def noise(like: Tensor) -> Tensor:
        nonlocal draws
        z = torch.zeros_like(like)
        mixed.append(float(torch.randn(1, generator=rng, dtype=torch.float64)))
        z[2 + draws], z[-1] = 1.0, mixed[-1]
        draws += 1
        return z

    history: tuple[Step, ...] = ()
    with torch.no_grad():
        for t in range(d.schedule.T, end, -1):
            step = sampler.step(d, x, t, history, noise)
            x, history = step.x, (*history, step)[-sampler.memory :] if sampler.memory else ()
    maps = []
    for y in x[:, :, 0, 0].T.tolist():
        found = Affine(y[0], y[1] - y[0], tuple(value - y[0] for value in y[2 : 2 + draws]))
        expected = (
            found.bias + found.from_start * start + sum(c * z for c, z in zip(found.from_noise, mixed, strict=True))
        )
        assert abs(y[-1] - expected) < 1e-8 * (1 + abs(expected)), "the chain is not affine"
        maps.append(found)
    return maps
