"""Do generated images lie nearer to the images of the training than to others of their kind?"""

import math
from statistics import NormalDist

import torch

from alphabar.metrics.checks import FAKE, dimension, enough, same_dimension
from alphabar.metrics.distances import nearest
from alphabar.metrics.estimate import Estimate
from alphabar.metrics.features import Features
from alphabar.metrics.intervals import Z


def memorisation(fake: Features, train: Features, held_out: Features) -> Estimate:
    """The share of generated images whose nearest neighbour, of as many training as held-out images, is a training one.

    1/2 for a model that has learnt the distribution and nothing else, 1 for one that copies. A tie counts half.

    If training and held-out images are exchangeable, the share is a draw of labels for given weights c_i = how many
    generated images have reference image i nearest, and its variance is (N Σc_i² − m²) / (N − 1) / 4m² for N reference
    and m generated images: an image that is near to many widens the interval. `p` is one-sided, by the normal.
    What is copied from training images beyond the first `n_each` is not seen.
    """
    fake, train, held_out = enough(fake, FAKE, 1), enough(train, "training", 1), enough(held_out, "held-out", 1)
    same_dimension(dimension(train), "training", dimension(fake), FAKE)
    same_dimension(dimension(held_out), "held-out", dimension(fake), FAKE)
    n, m = min(len(train), len(held_out)), len(fake)
    to_train, in_train = (found[:, 0] for found in nearest(fake.vectors, train.vectors.part(0, n), 1))
    to_held_out, in_held_out = (found[:, 0] for found in nearest(fake.vectors, held_out.vectors.part(0, n), 1))
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
