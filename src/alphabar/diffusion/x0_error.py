"""The mean squared error of x̂_0 at each noise level, from which the `analytic` reverse variance is computed."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from alphabar.diffusion.denoiser import Denoiser
from alphabar.diffusion.process import Time, q_sample


@dataclass(frozen=True)
class X0Error:
    """E‖x_0 − x̂_0(x_t)‖²/D at one t, for data in [−1, 1]: the mean over images, and its standard error."""

    value: float
    standard_error: float


def squared_x0_error(denoiser: Denoiser, x0: Tensor, t: Time, eps: Tensor) -> Tensor:
    """‖x_0 − x̂_0(x_t)‖²/D of each image, at x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε; (B,) float64, on the CPU.

    x̂_0 is the prediction used in sampling, after the denoiser's x0_transform.
    """
    with torch.no_grad():
        error = denoiser(q_sample(denoiser.schedule, x0, t, eps), t).x0 - x0
    return error.cpu().double().square().flatten(1).mean(1)


def mean_x0_error(errors: Tensor) -> X0Error:
    """The mean of `squared_x0_error` over N ≥ 2 independent samples (N,) of (x_0, ε), and its standard error s/√N."""
    errors = errors.double()
    return X0Error(float(errors.mean()), float(errors.std()) / math.sqrt(len(errors)))


def x0_errors(
    denoiser: Denoiser, x0: Tensor, rows: Sequence[int], noise: Callable[[int], Tensor]
) -> dict[int, X0Error]:
    """The errors of x̂_0 at the steps t = `rows` of the denoiser's chain, by timestep of the network's own chain.

    noise: t -> ε like x0 (B, C, H, W).
    """
    timesteps = denoiser.schedule.timesteps.tolist()
    return {timesteps[t]: mean_x0_error(squared_x0_error(denoiser, x0, t, noise(t))) for t in rows}


def x0_mse_table(errors: dict[int, X0Error], denoiser: Denoiser) -> Tensor:
    """The table for `analytic`: the errors by timestep of the network's own chain, float64 (T+1,), NaN if missing."""
    own = denoiser.schedule.full or denoiser.schedule
    table = torch.full((int(own.timesteps[-1]) + 1,), math.nan, dtype=torch.float64)
    for timestep, error in errors.items():
        table[timestep] = error.value
    return table
