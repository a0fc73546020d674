"""The grid of each x_t, t ≥ 1, whose points are the whole numbers that a stack of bits holds."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from alphabar.coding.rounding import few_digits
from alphabar.coding.stack import Floats, Ints, Noise
from alphabar.diffusion import NoiseSchedule

FINENESS = 32
"""Steps of the grid per standard deviation of the narrower Gaussian."""


@dataclass(frozen=True, eq=False)
class Grid:
    """The grid of each x_t and the Gaussians q(x_t | x_{t−1}) = N(√α_t x_{t−1}, β_t I) on it (DDPM Eq. 2).

    Its numbers have few digits, so that they are the same on every machine.
    """

    schedule: NoiseSchedule

    @property
    def T(self) -> int:
        """The length of the chain."""
        return self.schedule.T

    @cached_property
    def step(self) -> list[float]:
        """The distance of two points of the grid of x_t, t = 0..T: a FINENESSth of the least of √β_t (the width of q),
        √β̃_{t+1} (the least width of p) and 1. Entry 0 is unused: x_0 has its 256 levels.
        """
        q = self.schedule.beta.sqrt()
        p = torch.cat([self.schedule.beta_tilde[1:].sqrt(), torch.ones(1, dtype=torch.float64)])
        return [few_digits(step) for step in (torch.minimum(q, p).clamp(max=1) / FINENESS).tolist()]

    @cached_property
    def noise(self) -> list[Noise]:
        """q(x_t | x_{t−1}) around its mean, t = 1..T, in steps of the grid; entry 0 is unused."""
        widths = [few_digits(width) for width in self.schedule.beta.sqrt().tolist()]
        return [Noise(width / step if step else 1.0) for width, step in zip(widths, self.step, strict=True)]

    @cached_property
    def scale(self) -> list[float]:
        """√α_t."""
        return [few_digits(scale) for scale in self.schedule.alpha.sqrt().tolist()]

    def centre(self, t: int, previous: Floats) -> Ints:
        """The point of the grid nearest to the mean of q(x_t | x_{t−1})."""
        return np.rint(self.scale[t] / self.step[t] * previous).astype(np.int64)

    def value(self, t: int, steps: Ints) -> Floats:
        """x_t at these points of its grid."""
        return np.asarray(steps * self.step[t], dtype=np.float64)

    def prior(self, count: int) -> tuple[Floats, Floats]:
        """Mean and standard deviation of p(x_T) = N(0, I) for `count` elements, in steps of the grid."""
        return np.zeros(count), np.full(count, 1 / self.step[self.T])

    def bits_popped(self, dims: int, t: int = 1) -> float:
        """The bits that q(x_t | x_{t−1}) takes off the stack: the entropy of `dims` elements; 0 beyond the chain."""
        if t > self.T:
            return 0.0
        width = float(self.schedule.beta[t].sqrt()) / self.step[t]
        return dims * math.log2(max(width, 1.0) * math.sqrt(2 * math.pi * math.e))
