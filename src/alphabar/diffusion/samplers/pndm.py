"""Pseudo numerical methods (Liu et al. 2022), as most run them: linear multistep from the first step on (PLMS)."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from alphabar.diffusion.denoiser import Denoiser
from alphabar.diffusion.parameterization import x0_to_eps
from alphabar.diffusion.process import per_image
from alphabar.diffusion.samplers.sampler import Grid, Noise, Step

ADAMS_BASHFORTH = ((1.0,), (3 / 2, -1 / 2), (23 / 12, -16 / 12, 5 / 12), (55 / 24, -59 / 24, 37 / 24, -9 / 24))
"""Weights of ε̂, newest first, by how many there are."""


@dataclass(frozen=True)
class PNDM:
    """DDIM's step with ε̂' = (55 ε̂_t − 59 ε̂_{t+1} + 37 ε̂_{t+2} − 9 ε̂_{t+3})/24, PNDM Eq. 12; fewer at the start.

    The weights are those of equal steps in t: it wants an evenly spaced chain. The Runge–Kutta start of the paper costs
    nine calls more and is left out.
    """

    grid: ClassVar[Grid] = Grid("uniform", 20)
    memory: ClassVar[int] = 3
    calls: ClassVar[int] = 1

    def step(self, denoiser: Denoiser, x: Tensor, t: int, history: tuple[Step, ...], noise: Noise) -> Step:
        """The transfer φ of PNDM Eq. 11; the last step returns x̂_0."""
        schedule, now = denoiser.schedule, denoiser(x, t)
        if t == 1:
            return Step(0, now.x0, now.x0, source=x)
        known = [now.eps, *(self._eps(denoiser, step) for step in reversed(history))]
        eps = sum((w * e for w, e in zip(ADAMS_BASHFORTH[len(known) - 1], known, strict=True)), 0 * x)
        # From x̂_0 and ε̂ as they are, plus what ε̂' − ε̂ changes: finite where ᾱ_t = 0, as then ε̂' = ε̂.
        signal, width = schedule.signal, schedule.width
        x_prev = per_image(signal[t - 1], x) * now.x0 + per_image(width[t - 1], x) * now.eps
        if len(known) > 1:
            x_prev = x_prev + per_image(width[t - 1] - width[t] * signal[t - 1] / signal[t], x) * (eps - now.eps)
        return Step(t - 1, x_prev, now.x0, source=x)

    def _eps(self, denoiser: Denoiser, step: Step) -> Tensor:
        assert step.source is not None, "this sampler keeps the source of each of its steps"
        return x0_to_eps(denoiser.schedule, step.x0, step.source, step.t + 1)
