"""Do generated images copy training images? A test for small sets, which uses all training images."""

import torch
from torch import Tensor

from alphabar.metrics.checks import FAKE, dimension, enough, same_dimension
from alphabar.metrics.distances import nearest
from alphabar.metrics.estimate import Estimate
from alphabar.metrics.features import Features, Rows
from alphabar.metrics.intervals import Z

LEAST = 10
"""The smallest number of generated images, and of held-out ones."""


def copying(fake: Features, train: Features, held_out: Features) -> Estimate:
    """P(r_generated < r_held-out) + P(=) / 2, where r is the distance to the nearest training image over the second.

    A copy of a training image has a small r (Yoon et al. 2023 call r < 1/3 memorised). Held-out images say which r is
    usual, as in Meehan et al. 2020: the value is 1/2 for images that were taken as the held-out ones were, whatever
    their number, and 1 if each generated image copies one. Images that are blurred or all alike have an r near 1, and
    so are not accused. The standard error is that of an area under a curve (DeLong et al. 1988).
    """
    fake, held_out = enough(fake, FAKE, LEAST), enough(held_out, "held-out", LEAST)
    train = enough(train, "training", 2)
    same_dimension(dimension(train), "training", dimension(fake), FAKE)
    same_dimension(dimension(held_out), "held-out", dimension(fake), FAKE)
    generated, usual = _ratios(fake.vectors, train.vectors), _ratios(held_out.vectors, train.vectors)
    of_fake, of_held_out = _share_above(generated, usual), 1 - _share_above(usual, generated)
    value = float(of_fake.mean())
    standard_error = float((of_fake.var() / len(of_fake) + of_held_out.var() / len(of_held_out)).sqrt())
    more = {
        "standard_error": standard_error,
        "median_ratio": float(generated.median()),
        "median_ratio_held_out": float(usual.median()),
    }
    return Estimate(value, max(0.0, value - Z * standard_error), min(1.0, value + Z * standard_error), more)


def _ratios(queries: Rows, train: Rows) -> Tensor:
    """r of each query, float64 in [0, 1]; 1 where the two nearest training images are both equal to it."""
    distances, _ = nearest(queries, train, 2)
    return torch.where(distances[:, 1] > 0, distances[:, 0] / distances[:, 1], 1.0)


def _share_above(values: Tensor, others: Tensor) -> Tensor:
    """For each value the share of `others` that are larger; an equal one counts half."""
    ordered = others.sort().values
    not_above = torch.searchsorted(ordered, values) + torch.searchsorted(ordered, values, right=True)
    return 1 - not_above.double() / (2 * len(others))
