"""Precision and recall, density and coverage: metrics that measure quality and variety separately.

Each counts how many images of one set lie in the manifold of the other. The manifold of a set is the union of balls
about its images, each with the distance to the k-th nearest other image of the set as its radius (Kynkäänniemi et al.
2019; density and coverage: Naeem et al. 2020). Balls are closed, up to rounding.
"""

import math

import torch
from torch import Tensor

from alphabar.metrics.checks import comparable
from alphabar.metrics.distances import BLOCK, middle_of, nearest, squared
from alphabar.metrics.estimate import Estimate
from alphabar.metrics.features import Features, Rows
from alphabar.metrics.intervals import t_interval, wilson
from alphabar.terminal.progress import progress


def precision_recall(real: Features, fake: Features, k: int = 3) -> dict[str, Estimate]:
    """`precision` and `recall`.

    `precision`: the share of generated images in the manifold of the real ones.
    `recall`: the share of real images in the manifold of the generated ones.
    """
    real, fake = comparable(real, fake, k + 1)
    around_fake, _ = _inside(fake.vectors, real.vectors, _radii(real.vectors, k))
    around_real, _ = _inside(real.vectors, fake.vectors, _radii(fake.vectors, k))
    return {
        "precision": _share(
            around_fake > 0, k, "the mean over all generated images, with the manifold of these real ones held fixed"
        ),
        "recall": _share(
            around_real > 0, k, "the mean over all real images, with the manifold of these generated ones held fixed"
        ),
    }


def density_coverage(real: Features, fake: Features, k: int = 5) -> dict[str, Estimate]:
    """`density` and `coverage`.

    `density`: the mean number of balls of real images that a generated image lies in, divided by k. Its expected value
        is 1 if the distributions are equal.
    `coverage`: the share of balls of real images that contain a generated image.
    """
    real, fake = comparable(real, fake, k + 1)
    around, held = _inside(fake.vectors, real.vectors, _radii(real.vectors, k))
    density = around.double() / k
    value = float(density.mean())
    low, high = t_interval(value, float(density.std()) / math.sqrt(len(density)), len(density) - 1)
    more = {
        "k": k,
        "interval_of": "the mean over all generated images, with the manifold of these real ones held fixed",
    }
    return {
        "density": Estimate(value, max(0.0, low), high, more),
        "coverage": _share(
            held > 0, k, "the mean over all real images and their balls, with these generated ones held fixed"
        ),
    }


def _radii(rows: Rows, k: int) -> Tensor:
    """The distance (N,) of each image to its k-th nearest other image."""
    return nearest(rows, rows, k, same=True)[0][:, -1]


def _inside(queries: Rows, centres: Rows, radii: Tensor) -> tuple[Tensor, Tensor]:
    """The number of balls that contain each query (N,), and the number of queries in each ball (M,)."""
    middle = middle_of(centres)
    around = torch.zeros(len(queries), dtype=torch.int64, device=radii.device)
    held = torch.zeros(len(centres), dtype=torch.int64, device=radii.device)
    with progress("precision and recall", len(queries) * len(centres)) as advance:
        for row in range(0, len(queries), BLOCK):
            x = queries.part(row, row + BLOCK).load().double()
            for column in range(0, len(centres), BLOCK):
                y = centres.part(column, column + BLOCK).load().double()
                squares, rounding = squared(x, y, middle)
                inside = squares <= radii[column : column + BLOCK] ** 2 + rounding
                around[row : row + BLOCK] += inside.sum(1)
                held[column : column + BLOCK] += inside.sum(0)
                advance(len(x) * len(y))
    return around, held


def _share(yes: Tensor, k: int, interval_of: str) -> Estimate:
    value = float(yes.double().mean())
    low, high = wilson(value, len(yes))
    return Estimate(value, low, high, {"k": k, "interval_of": interval_of})
