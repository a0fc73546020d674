"""Denoising diffusion implicit models (Song, Meng & Ermon 2021)."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from alphabar.diffusion.denoiser import Denoiser
from alphabar.diffusion.process import per_image
from alphabar.diffusion.samplers.sampler import Grid, Noise, Step, check_eta


@dataclass(frozen=True)
class DDIM:
    """x_{t−1} = √ᾱ_{t−1} x̂_0 + √(1 − ᾱ_{t−1} − σ²) ε̂ + σ z, DDIM Eq. 12.

    eta: 0 is deterministic, 1 is ancestral sampling with σ_t² = β̃_t. The denoiser's own variance is not used.
    """

    eta: float = 0.0
    grid: ClassVar[Grid] = Grid("uniform", 50)
    memory: ClassVar[int] = 0
    calls: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_eta("ddim", self.eta)

    def step(self, denoiser: Denoiser, x: Tensor, t: int, history: tuple[Step, ...], noise: Noise) -> Step:
        """σ = η √β̃_t (DDIM Eq. 16)."""
        schedule = denoiser.schedule
        prediction = denoiser(x, t)
        alpha_bar_prev, variance = schedule.alpha_bar[t - 1], self.eta**2 * schedule.beta_tilde[t]
        direction = (1 - alpha_bar_prev - variance).clamp(min=0).sqrt()
        x_prev = per_image(schedule.signal[t - 1], x) * prediction.x0 + per_image(direction, x) * prediction.eps
        if t > 1 and self.eta > 0:
            x_prev = x_prev + per_image(variance.sqrt(), x) * noise(x)
        return Step(t - 1, x_prev, prediction.x0)
