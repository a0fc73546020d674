"""Data whose diffusion is known in closed form: every pixel of x_0 is drawn from N(mean, std²).

Then x_t ~ N(√ᾱ_t mean, ᾱ_t std² + 1 − ᾱ_t), the best network is linear in x_t, and every chain is linear-Gaussian. All
that stands here follows from the conditioning of two jointly Gaussian numbers; nothing of the package's maths is used.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from alphabar.diffusion import NoiseSchedule


@dataclass(frozen=True)
class GaussianData:
    mean: float = 0.3
    std: float = 0.4

    def marginal(self, alpha_bar: float) -> tuple[float, float]:
        """Mean and variance of x_t."""
        return math.sqrt(alpha_bar) * self.mean, alpha_bar * self.std**2 + 1 - alpha_bar

    def reverse(self, alpha_bar: float, alpha_bar_prev: float) -> tuple[float, float, float]:
        """(A, b, variance) of the exact q(x_{t−1} | x_t) = N(A x_t + b, variance)."""
        mean, variance = self.marginal(alpha_bar)
        mean_prev, variance_prev = self.marginal(alpha_bar_prev)
        covariance = math.sqrt(alpha_bar / alpha_bar_prev) * variance_prev
        slope = covariance / variance
        return slope, mean_prev - slope * mean, variance_prev - slope * covariance

    def expected_x0(self, alpha_bar: float) -> tuple[float, float]:
        """(A, b) of E[x_0 | x_t] = A x_t + b."""
        return self.reverse(alpha_bar, 1.0)[:2]

    def expected_eps(self, alpha_bar: float) -> tuple[float, float]:
        """(A, b) of E[ε | x_t]: Cov(ε, x_t) = √(1 − ᾱ_t)."""
        mean, variance = self.marginal(alpha_bar)
        slope = math.sqrt(1 - alpha_bar) / variance
        return slope, -slope * mean

    def network(self, schedule: NoiseSchedule, parameterization: str) -> Callable[[Tensor, Tensor], Tensor]:
        """The best network there is: the conditional mean of its target, for the chain `schedule`."""
        alpha_bar = schedule.alpha_bar.tolist()
        row_of = {int(t) - 1: row for row, t in enumerate(schedule.timesteps.tolist())}

        def output(row: int) -> tuple[float, float]:
            (from_x0, x0_bias), (from_eps, eps_bias) = (
                self.expected_x0(alpha_bar[row]),
                self.expected_eps(alpha_bar[row]),
            )
            if parameterization == "x0":
                return from_x0, x0_bias
            if parameterization == "eps":
                return from_eps, eps_bias
            if parameterization == "mu":
                return self.reverse(alpha_bar[row], alpha_bar[row - 1])[:2]
            assert parameterization == "v", f"write down what the best '{parameterization}' network outputs"
            signal, noise = math.sqrt(alpha_bar[row]), math.sqrt(1 - alpha_bar[row])
            return signal * from_eps - noise * from_x0, signal * eps_bias - noise * x0_bias

        table = {time: output(row) for time, row in row_of.items() if row}

        def best(x: Tensor, time: Tensor) -> Tensor:
            coefficients = torch.tensor([table[round(k)] for k in time.tolist()], dtype=x.dtype)
            slope, bias = (column.reshape(-1, *[1] * (x.ndim - 1)) for column in coefficients.T)
            return slope * x + bias

        return best
