"""Numbers that two machines compute nearly equal, made equal: rounded, with a list of those that are nearly ties.

Two machines differ by about 1e-15 of a number in float64, and by more after a network. Both round to the same integer
unless the number lies that near to a half. The encoder lists those that lie within MARGIN of one, and they are rounded
down on both sides.
"""

import math
from collections.abc import Mapping

import numpy as np

from alphabar.coding.stack import Floats, Ints

MARGIN = 2.0**-22
"""Two numbers that differ by less, in units of what they are rounded to, become the same integer."""
OCTAVE = 64
"""Standard deviations are rounded to powers of 2^(1/OCTAVE)."""
_FEW = 24  # bits of a number that is rounded to few


class Rounding:
    """Rounds the numbers of one batch; each call of `integers` has a number of its own.

    ties: by the number of the call, the places of what is nearly a tie. To encode, give none: they are found.
    """

    def __init__(self, ties: Mapping[int, Ints] | None = None) -> None:
        self.ties = dict(ties or {})
        self._finds = ties is None

    def integers(self, values: Floats, call: int) -> Ints:
        """The nearest integers, or those below at the places of ties; IndexError for a place that there is not."""
        if self._finds:
            places = np.flatnonzero(np.abs(values - np.floor(values) - 0.5) < MARGIN)
            if len(places):
                self.ties[call] = places
        rounded = np.floor(values + 0.5)
        if call in self.ties:
            rounded[self.ties[call]] = np.floor(values[self.ties[call]])
        return rounded.astype(np.int64)


def few_digits(value: float) -> float:
    """`value` with 24 significant bits, which are equal where two machines differ in the last of 53."""
    mantissa, exponent = math.frexp(value)
    return math.ldexp(round(math.ldexp(mantissa, _FEW)), exponent - _FEW)


def power(k: Ints) -> Floats:
    """2^(k / OCTAVE), by square roots and products alone, which are equal on every machine."""
    return np.ldexp(_FRACTIONS[k % OCTAVE], k // OCTAVE)


def _fractions() -> Floats:
    root = 2.0
    for _ in range(OCTAVE.bit_length() - 1):
        root = math.sqrt(root)
    return np.cumprod(np.concatenate([[1.0], np.full(OCTAVE - 1, root)]))


_FRACTIONS = _fractions()
