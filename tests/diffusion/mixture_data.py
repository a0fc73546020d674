"""Data of two modes whose diffusion is still known in closed form: each pixel of x_0 is from Σ_k w_k N(m_k, s_k²).

Given the component k all is as in `gaussian_data`; Bayes' rule weighs them by r_k(x_t) ∝ w_k N(x_t; √ᾱ m_k, v_k). The
best network is Σ_k r_k(x_t) (A_k x_t + b_k), not linear in x_t: solvers and inversions make real errors on it.
In one dimension the probability flow keeps the order of points and carries the marginals, hence it maps quantiles to
quantiles: the exact end of x_t is F_s⁻¹(F_t(x_t)), here by bisection to the last digits.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from gaussian_data import GaussianData
from torch import Tensor

from alphabar.diffusion import NoiseSchedule


@dataclass(frozen=True)
class MixtureData:
    weights: tuple[float, ...] = (0.4, 0.6)
    components: tuple[GaussianData, ...] = (GaussianData(-0.5, 0.2), GaussianData(0.6, 0.15))

    def sample(self, x: Tensor, seed: int = 0) -> Tensor:
        """x_0 like x: independent pixels."""
        generator = torch.Generator().manual_seed(seed)
        which = torch.multinomial(torch.tensor(self.weights), x.numel(), replacement=True, generator=generator)
        mean, std = (torch.tensor([getattr(c, n) for c in self.components]).to(x)[which] for n in ("mean", "std"))
        return (mean + std * torch.randn(x.numel(), generator=generator, dtype=x.dtype)).reshape(x.shape)

    def log_density(self, x: Tensor, alpha_bar: float) -> Tensor:
        """log p(x_t) of each pixel."""
        return torch.logsumexp(self._log_joint(x, alpha_bar), dim=0)

    def expected_x0(self, x: Tensor, alpha_bar: float) -> Tensor:
        """E[x_0 | x_t]."""
        return self._mixed(x, alpha_bar, [c.expected_x0(alpha_bar) for c in self.components])

    def expected_eps(self, x: Tensor, alpha_bar: float) -> Tensor:
        """E[ε | x_t]."""
        return self._mixed(x, alpha_bar, [c.expected_eps(alpha_bar) for c in self.components])

    def expected_prev(self, x: Tensor, alpha_bar: float, alpha_bar_prev: float) -> Tensor:
        """E[x_{t−1} | x_t]."""
        return self._mixed(x, alpha_bar, [c.reverse(alpha_bar, alpha_bar_prev)[:2] for c in self.components])

    def network(
        self, schedule: NoiseSchedule, parameterization: str, time_scale: float = 1.0
    ) -> Callable[[Tensor, Tensor], Tensor]:
        """(x_t, (timestep − 1) · time_scale) -> E[target | x_t], the best network for the rows of `schedule`."""
        rows = schedule.alpha_bar.tolist()
        row_of = {int(t) - 1: row for row, t in enumerate(schedule.timesteps.tolist()) if row}

        def at(x: Tensor, row: int) -> Tensor:
            if parameterization == "x0":
                return self.expected_x0(x, rows[row])
            if parameterization == "eps":
                return self.expected_eps(x, rows[row])
            if parameterization == "mu":
                return self.expected_prev(x, rows[row], rows[row - 1])
            assert parameterization == "v", f"write down what the best '{parameterization}' network outputs"
            eps, x0 = self.expected_eps(x, rows[row]), self.expected_x0(x, rows[row])
            return math.sqrt(rows[row]) * eps - math.sqrt(1 - rows[row]) * x0

        def best(x: Tensor, time: Tensor) -> Tensor:
            times = [round(k / time_scale) for k in time.tolist()]
            if len(set(times)) == 1:
                return at(x, row_of[times[0]])
            return torch.cat([at(x[i : i + 1], row_of[k]) for i, k in enumerate(times)])

        return best

    def cdf(self, x: Tensor, alpha_bar: float, upper: bool = False) -> Tensor:
        """F_t(x) of each pixel, or 1 − F_t(x); each is accurate in the tail where it is small."""
        sign = -1.0 if upper else 1.0
        total = torch.zeros_like(x)
        for weight, component in zip(self.weights, self.components, strict=True):
            mean, variance = component.marginal(alpha_bar)
            total += weight * 0.5 * torch.erfc(-sign * (x - mean) / math.sqrt(2 * variance))
        return total

    def flow(self, x: Tensor, alpha_bar: float, alpha_bar_end: float = 1.0) -> Tensor:
        """Where the probability flow takes x from level ᾱ to level ᾱ_end, up or down: F_end⁻¹(F(x)), float64."""
        x = x.double()
        below, above = self.cdf(x, alpha_bar), self.cdf(x, alpha_bar, upper=True)
        tail = below > above  # match the smaller of F and 1 − F: it has all its digits
        low, high = torch.full_like(x, -60.0), torch.full_like(x, 60.0)
        for _ in range(90):
            middle = (low + high) / 2
            left = torch.where(
                tail, self.cdf(middle, alpha_bar_end, upper=True) > above, self.cdf(middle, alpha_bar_end) < below
            )
            low, high = torch.where(left, middle, low), torch.where(left, high, middle)
        return (low + high) / 2

    def _log_joint(self, x: Tensor, alpha_bar: float) -> Tensor:
        """log w_k N(x_t; √ᾱ m_k, v_k), stacked over k."""
        terms = []
        for weight, component in zip(self.weights, self.components, strict=True):
            mean, variance = component.marginal(alpha_bar)
            terms.append(math.log(weight) - 0.5 * ((x - mean) ** 2 / variance + math.log(2 * math.pi * variance)))
        return torch.stack(terms)

    def _mixed(self, x: Tensor, alpha_bar: float, affine: list[tuple[float, float]]) -> Tensor:
        """Σ_k r_k(x_t) (A_k x_t + b_k)."""
        shares = torch.softmax(self._log_joint(x, alpha_bar), dim=0)
        return sum((r * (A * x + b) for r, (A, b) in zip(shares, affine, strict=True)), torch.zeros_like(x))
