"""Images of three jointly Gaussian pixels, x_0 ~ N(m, Σ): what is known of some of them says what the others are.

All that stands here follows from the conditioning of jointly Gaussian vectors: the best network, the exact reverse step
q(x_{t−1} | x_t) with its full covariance, and the distribution of some pixels given the others.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from alphabar.diffusion import Denoiser, NoiseSchedule, Step

MEAN = torch.tensor([0.2, -0.3, 0.1], dtype=torch.float64)
STD = torch.tensor([0.4, 0.5, 0.3], dtype=torch.float64)
COVARIANCE = STD[:, None] * 0.8 ** (torch.arange(3)[:, None] - torch.arange(3)).abs() * STD
"""Neighbours correlate by 0.8."""


def reverse(alpha_bar: float, alpha_bar_prev: float) -> tuple[Tensor, Tensor, Tensor]:
    """(A, b, covariance) of the exact q(x_{t−1} | x_t) = N(A x_t + b, ·)."""
    marginal, prev = (a * COVARIANCE + (1 - a) * torch.eye(3) for a in (alpha_bar, alpha_bar_prev))
    cross = math.sqrt(alpha_bar / alpha_bar_prev) * prev
    slope = cross @ torch.linalg.inv(marginal)
    return slope, math.sqrt(alpha_bar_prev) * MEAN - math.sqrt(alpha_bar) * slope @ MEAN, prev - slope @ cross.T


def x0_network(schedule: NoiseSchedule) -> Callable[[Tensor, Tensor], Tensor]:
    """E[x_0 | x_t] at the rows of the schedule."""
    table = {
        int(schedule.timesteps[row]) - 1: reverse(float(schedule.alpha_bar[row]), 1.0)[:2]
        for row in range(1, schedule.T + 1)
    }

    def best(x: Tensor, time: Tensor) -> Tensor:
        slope, bias = table[round(float(time[0]))]
        return (x.flatten(1) @ slope.T + bias).reshape(x.shape)

    return best


@dataclass(frozen=True)
class ExactReverse:
    """x_{t−1} ~ q(x_{t−1} | x_t) as it is: a sampler whose only error is not to know which pixels are given."""

    memory: ClassVar[int] = 0
    calls: ClassVar[int] = 1

    def step(self, denoiser: Denoiser, x: Tensor, t: int, history, noise) -> Step:
        slope, bias, spread = reverse(*(float(denoiser.schedule.alpha_bar[s]) for s in (t, t - 1)))
        mean = x.flatten(1) @ slope.T + bias
        drawn = mean + noise(x).flatten(1) @ torch.linalg.cholesky(spread).T
        return Step(t - 1, drawn.reshape(x.shape), denoiser(x, t).x0)


def given_the_first(value: float) -> tuple[Tensor, Tensor]:
    """Mean and covariance of the last two pixels, given the first."""
    cross = COVARIANCE[1:, 0]
    mean = MEAN[1:] + cross / COVARIANCE[0, 0] * (value - MEAN[0])
    return mean, COVARIANCE[1:, 1:] - torch.outer(cross, cross) / COVARIANCE[0, 0]
