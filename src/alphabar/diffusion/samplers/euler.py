"""Euler's method on the probability flow, with EDM's churn (Karras et al. 2022)."""

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from alphabar.diffusion.denoiser import Denoiser, Prediction
from alphabar.diffusion.process import per_image
from alphabar.diffusion.samplers.churn import Churn, trained_row
from alphabar.diffusion.samplers.sampler import Grid, Noise, Step
from alphabar.diffusion.schedule import NoiseSchedule


@dataclass(frozen=True)
class Euler:
    """x̄_s = x̄_t + (σ_s − σ_t) ε̂ in x̄ = x/√ᾱ, σ = √((1 − ᾱ)/ᾱ); without churn it is DDIM with η = 0.

    churn: EDM's S_churn; 0 is deterministic. churn_range: S_min and S_max, of σ; churn_noise: S_noise.
    """

    churn: float = 0.0
    churn_range: tuple[float, float] = (0.0, math.inf)
    churn_noise: float = 1.0
    grid: ClassVar[Grid] = Grid("uniform", 50)
    memory: ClassVar[int] = 0
    calls: ClassVar[int] = 1

    def __post_init__(self) -> None:
        self._churn()

    def step(self, denoiser: Denoiser, x: Tensor, t: int, history: tuple[Step, ...], noise: Noise) -> Step:
        """EDM Alg. 2, lines 4–8, with no correction."""
        raised = self._churn().raised(denoiser, x, t, noise)
        chain, target = trained_row(denoiser.schedule, t - 1)
        prediction = raised.denoiser(raised.x, raised.t)
        return Step(t - 1, euler_step(chain, prediction, raised.x, target), prediction.x0)

    def _churn(self) -> Churn:
        return Churn(self.churn, *self.churn_range, self.churn_noise)


def euler_step(schedule: NoiseSchedule, prediction: Prediction, x: Tensor, s: int) -> Tensor:
    """x_s = √ᾱ_s x̂_0 + √(1 − ᾱ_s) ε̂, DDIM Eq. 12 without noise."""
    return per_image(schedule.signal[s], x) * prediction.x0 + per_image(schedule.width[s], x) * prediction.eps
