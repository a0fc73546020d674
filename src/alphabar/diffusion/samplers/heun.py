"""Heun's method on the probability flow, with EDM's churn (Karras et al. 2022, Alg. 1 and 2)."""

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from alphabar.diffusion.denoiser import Denoiser
from alphabar.diffusion.process import per_image
from alphabar.diffusion.samplers.churn import Churn, trained_row
from alphabar.diffusion.samplers.euler import euler_step
from alphabar.diffusion.samplers.sampler import Grid, Noise, Step


@dataclass(frozen=True)
class Heun:
    """x̄_s = x̄_t + (σ_s − σ_t)(ε̂_t + ε̂_s)/2, ε̂_s where Euler's step led; two network calls, one for the last step.

    churn: EDM's S_churn; 0 is deterministic. churn_range: S_min and S_max, of σ; churn_noise: S_noise.
    """

    churn: float = 0.0
    churn_range: tuple[float, float] = (0.0, math.inf)
    churn_noise: float = 1.0
    grid: ClassVar[Grid] = Grid("half_log_snr", 15)
    memory: ClassVar[int] = 0
    calls: ClassVar[int] = 2

    def __post_init__(self) -> None:
        self._churn()

    def step(self, denoiser: Denoiser, x: Tensor, t: int, history: tuple[Step, ...], noise: Noise) -> Step:
        """EDM Alg. 2, lines 4–11; Euler's step to the data, and from ᾱ_t = 0, where σ is infinite."""
        raised = self._churn().raised(denoiser, x, t, noise)
        chain, target = trained_row(denoiser.schedule, t - 1)
        here = raised.denoiser(raised.x, raised.t)
        x_s = euler_step(chain, here, raised.x, target)
        alpha_bar = chain.alpha_bar[raised.t]
        if target > 0 and float(alpha_bar) > 0:
            there, signal, sigma = denoiser(x_s, t - 1), chain.alpha_bar[target].sqrt(), (-chain.half_log_snr).exp()
            half = signal * (sigma[target] - sigma[raised.t]) / 2
            x_s = x_s + per_image(half, x) * (there.eps - here.eps)
        return Step(t - 1, x_s, here.x0)

    def _churn(self) -> Churn:
        return Churn(self.churn, *self.churn_range, self.churn_noise)
