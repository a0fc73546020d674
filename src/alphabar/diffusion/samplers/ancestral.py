"""Ancestral sampling (DDPM, Algorithm 2)."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from alphabar.diffusion.denoiser import Denoiser, p_transition
from alphabar.diffusion.samplers.sampler import Grid, Noise, Step


@dataclass(frozen=True)
class Ancestral:
    """x_{t−1} ~ p_θ(x_{t−1} | x_t); the last step returns the mean, which is x̂_0."""

    grid: ClassVar[Grid] = Grid("uniform", None)
    memory: ClassVar[int] = 0
    calls: ClassVar[int] = 1

    def step(self, denoiser: Denoiser, x: Tensor, t: int, history: tuple[Step, ...], noise: Noise) -> Step:
        """A sample of DDPM Eq. 1, with the denoiser's reverse variance."""
        prediction = denoiser(x, t)
        p = p_transition(denoiser.schedule, prediction, x, t)
        return Step(t - 1, p.sample(noise(x)) if t > 1 else p.mean, prediction.x0)
