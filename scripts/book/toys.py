"""Toy data whose diffusion is known in closed form: mixtures of Gaussians in one or two dimensions.

x_0 ~ Σ_k w_k N(m_k, s² I). Then x_t ~ Σ_k w_k N(√ᾱ m_k, v I) with v = ᾱ s² + 1 − ᾱ, and the best network is the score.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from alphabar.diffusion import EPS, FIXED_SMALL, Denoiser, NoiseSchedule, ReverseVariance


@dataclass(frozen=True)
class Mixture:
    """means: (K, D) float64. weights: (K,), which sum to 1. std: s, the same for each component."""

    means: Tensor
    weights: Tensor
    std: float

    def sample(self, count: int, seed: int = 0) -> Tensor:
        """x_0: (count, D)."""
        generator = torch.Generator().manual_seed(seed)
        which = torch.multinomial(self.weights, count, replacement=True, generator=generator)
        noise = torch.randn(count, self.means.shape[1], generator=generator, dtype=torch.float64)
        return self.means[which] + self.std * noise

    def log_density(self, x: Tensor, alpha_bar: float) -> Tensor:
        """log q(x_t) at x (B, D); (B,)."""
        variance = self._variance(alpha_bar)
        constant = 0.5 * x.shape[1] * math.log(2 * math.pi * variance)
        return torch.logsumexp(self._log_joint(x, alpha_bar), 1) - constant

    def score(self, x: Tensor, alpha_bar: float) -> Tensor:
        """∇ log q(x_t) at x (B, D); (B, D)."""
        share = torch.softmax(self._log_joint(x, alpha_bar), 1)
        return (share @ (math.sqrt(alpha_bar) * self.means) - x) / self._variance(alpha_bar)

    def denoiser(self, schedule: NoiseSchedule, variance: ReverseVariance = FIXED_SMALL) -> Denoiser:
        """The best network for this data: ε̂ = E[ε | x_t] = −√(1 − ᾱ_t) ∇ log q(x_t)."""
        rows = schedule.alpha_bar.tolist()

        def network(x: Tensor, time: Tensor) -> Tensor:
            alpha_bar = rows[int(time[0]) + 1]  # networks count from 0
            return -math.sqrt(1 - alpha_bar) * self.score(x, alpha_bar)

        return Denoiser(network, schedule, EPS, variance)

    def _variance(self, alpha_bar: float) -> float:
        return alpha_bar * self.std**2 + 1 - alpha_bar

    def _log_joint(self, x: Tensor, alpha_bar: float) -> Tensor:
        distance = (x[:, None] - math.sqrt(alpha_bar) * self.means).square().sum(2)
        return self.weights.log() - distance / (2 * self._variance(alpha_bar))


def two_peaks() -> Mixture:
    """One dimension: a pixel that is dark or bright, bright more often."""
    means = torch.tensor([[-0.6], [0.5]], dtype=torch.float64)
    return Mixture(means, torch.tensor([0.35, 0.65], dtype=torch.float64), 0.1)


def spiral(turns: float = 1.9, components: int = 90) -> Mixture:
    """Two dimensions: a spiral of radius 2, with about the variance 1 of noise."""
    u = torch.linspace(0.06, 1, components, dtype=torch.float64).sqrt()
    angle = 2 * math.pi * turns * u
    means = torch.stack([u * angle.cos(), u * angle.sin()], 1) * 2
    return Mixture(means, torch.full((components,), 1 / components, dtype=torch.float64), 0.06)
