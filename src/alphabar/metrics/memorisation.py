"""A test of memorisation: are generated images closer to training images than to held-out images?"""

import math
from statistics import NormalDist

import torch

from alphabar.metrics.checks import FAKE, dimension, enough, same_dimension
from alphabar.metrics.distances import nearest
from alphabar.metrics.estimate import Estimate
from alphabar.metrics.features import Features
from alphabar.metrics.intervals import Z


def memorisation(fake: Features, train: Features, held_out: Features) -> Estimate:
    """The share of generated images whose nearest neighbour is a training image rather than a held-out image.

    Neighbours are searched among equally many training and held-out images. The share is 1/2 for a model that learned
    the distribution and nothing else, and 1 for one that copies training images. A tie counts half. Copies of training
    images beyond the first `n_each` are not detected.

    If training and held-out images are exchangeable, the share is the outcome of randomly labelling the N reference
    images, half of them as training images, with weights c_i: the number of the m generated images whose nearest
    neighbour is reference image i. Its variance is (N Σc_i² − m²) / (N − 1) / 4m². So a reference image that is the
    neighbour of many widens the interval. `p` is the one-sided p-value by the normal approximation.
    """
    fake, train, held_out = enough(fake, FAKE, 1), enough(train, "training", 1), enough(held_out, "held-out", 1)
    same_dimension(dimension(train), "training", dimension(fake), FAKE)
    same_dimension(dimension(held_out), "held-out", dimension(fake), FAKE)
    n, m = min(len(train), len(held_out)), len(fake)
    to_train, in_train = (table[:, 0] for table in nearest(fake.vectors, train.vectors.part(0, n), 1))
    to_held_out, in_held_out = (table[:, 0] for table in nearest(fake.vectors, held_out.vectors.part(0, n), 1))
    won = ((to_train < to_held_out).double() + (to_train <= to_held_out).double()) / 2
    c = torch.cat([in_train.bincount(won, n), in_held_out.bincount(1 - won, n)])
    value = float(won.mean())
    variance = (2 * n * float((c**2).sum()) - m**2) / (2 * n - 1) / (4 * m**2)
    standard_error = math.sqrt(max(0.0, variance))
    z = (value - 0.5) / standard_error if standard_error > 0 else 0.0
    more = {
        "z": z,
        "p": NormalDist().cdf(-z),
        "standard_error": standard_error,
        "median_distance_train": float(to_train.median()),
        "median_distance_held_out": float(to_held_out.median()),
        "n_each": n,
    }
    return Estimate(value, max(0.0, value - Z * standard_error), min(1.0, value + Z * standard_error), more)
