"""The gap between two kinds of training, in standard errors: paired over the test images and the training seeds."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Gap:
    """The mean difference, its standard error, and over how many seeds and images."""

    value: float
    error: float
    seeds: int
    images: int

    @property
    def z(self) -> float:
        """The gap in standard errors."""
        return self.value / self.error if self.error else math.nan

    def __str__(self) -> str:
        seeds = f"{self.seeds} seed{'s' if self.seeds > 1 else ''}"
        return f"{self.value:+.3f} ± {self.error:.3f}, {self.z:+.1f} SE ({seeds}, {self.images} images)"


def gap(first: NDArray[np.float64], second: NDArray[np.float64]) -> Gap:
    """first − second, (S, N) each: training seed × image, the same images and seeds.

    Seeds and images are both samples (crossed random effects): the variances of the means over either add up. With one
    seed the error is over the images alone, and says nothing of another training.
    """
    difference = first - second
    S, N = difference.shape
    variance = difference.mean(0).var(ddof=1) / N
    if S > 1:
        variance += difference.mean(1).var(ddof=1) / S
    return Gap(float(difference.mean()), float(np.sqrt(variance)), S, N)
