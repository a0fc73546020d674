"""x_k of a lossy file: x_0 with noise of the variance of q(x_k | x_0), which a whole number for each value tells.

Universal quantisation (Ziv 1985; Agustsson & Theis 2020; in diffusion models, Yang et al. 2025): with u ~ U(−½, ½) that
encoder and decoder share, y = round(√ᾱ_k x_0 / D + u) and x_k = D (y − u). Whatever x_0 is, x_k − √ᾱ_k x_0 is uniform
in ±D/2, and D = √(12 (1 − ᾱ_k)) gives it the variance 1 − ᾱ_k.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from alphabar import images
from alphabar.coding.stack import Floats, Ints
from alphabar.diffusion import NoiseSchedule

_KEY = 0x616C7068  # another sequence than what whitens the stack


@dataclass(frozen=True)
class Dither:
    """The quantiser at a level whose signal is √ᾱ_k, and the points D of x_k are apart."""

    signal: float
    step: float

    @classmethod
    def at(cls, schedule: NoiseSchedule, k: int) -> "Dither":
        """The quantiser of x_k."""
        alpha_bar = float(schedule.alpha_bar[k])
        return cls(math.sqrt(alpha_bar), math.sqrt(12 * (1 - alpha_bar)))

    def quantised(self, x0: Tensor, numbers: range) -> Tensor:
        """y of images uint8 (N, C, H, W) with these numbers; int32 (N, C, H, W)."""
        values = images.to_signed(x0).double().flatten().numpy()
        y = np.rint(values * (self.signal / self.step) + shared(numbers, x0[0].numel()))
        return torch.from_numpy(y.astype(np.int32)).reshape(x0.shape)

    def value(self, y: Tensor, numbers: range) -> Tensor:
        """x_k of y (N, C, H, W) of the images with these numbers; float64."""
        return torch.from_numpy(self.points(_flat(y), shared(numbers, y[0].numel()))).reshape(y.shape)

    def points(self, y: Ints, u: Floats) -> Floats:
        """D (y − u)."""
        return np.asarray((y - u) * self.step, dtype=np.float64)

    def lowest(self, u: Floats) -> Ints:
        """The least y of any image."""
        return np.rint(u - self.signal / self.step).astype(np.int64)

    @property
    def count(self) -> int:
        """How many y there are at most for one u, from the lowest: those of x_0 in [−1, 1]."""
        return max(2, math.floor(2 * self.signal / self.step) + 2)


def _flat(y: Tensor) -> Ints:
    return y.flatten().numpy().astype(np.int64)


def shared(numbers: range, count: int) -> Floats:
    """u of the images with these numbers, `count` for each, one after the other: the same on every machine."""
    raw = [np.random.PCG64([_KEY, number]).random_raw(count) for number in numbers]
    return np.asarray((np.concatenate(raw) >> 11) * 2.0**-53 - 0.5, dtype=np.float64)
