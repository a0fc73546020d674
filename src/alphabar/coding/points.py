"""Gaussians at a few points: integers 0..count − 1 with probabilities in proportion to the density there.

x_k is one of the points D (y − u). Of all that p(x_k | x_j) says, only what it says of these counts: by Bayes' rule,
their probabilities are in proportion to the density at them.
"""

from collections.abc import Iterator

import numpy as np

from alphabar.coding.stack import FLOOR, Floats, Ints, Stack

_MOST = 1 << 21
"""Probabilities in memory at once."""


def push_points(stack: Stack, index: Ints, count: int, mean: Floats, std: Floats) -> None:
    """Integers 0..count − 1, flat, under Gaussians at them; all in their distance."""
    for rows in reversed([*_parts(len(index), count)]):
        stack.push_rows(index[rows], _table(count, mean[rows], std[rows]))


def pop_points(stack: Stack, count: int, mean: Floats, std: Floats) -> Ints:
    """What `push_points` pushed."""
    return np.concatenate([stack.pop_rows(_table(count, mean[rows], std[rows])) for rows in _parts(len(mean), count)])


def _parts(values: int, count: int) -> Iterator[slice]:
    size = max(1, _MOST // count)
    return (slice(start, start + size) for start in range(0, values, size))


def _table(count: int, mean: Floats, std: Floats) -> Floats:
    """The probabilities, (N, count)."""
    distance = (np.arange(count) - mean[:, None]) / np.maximum(std, FLOOR)[:, None]
    nearest = np.abs(distance).min(1, keepdims=True)
    density = np.exp(-0.5 * (distance**2 - nearest**2))
    return np.asarray(density / density.sum(1, keepdims=True))
