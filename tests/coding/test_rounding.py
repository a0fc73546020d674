"""Rounded numbers are the same on two machines that compute nearly the same ones."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphabar.coding.rounding import MARGIN, OCTAVE, Rounding, few_digits, power

NUMBERS = st.lists(st.integers(-(2**20), 2**20), min_size=1, max_size=8)


@given(NUMBERS, st.floats(-0.9, 0.9), st.floats(-0.99, 0.99), st.floats(-0.99, 0.99))
@settings(max_examples=100, deadline=None)
def test_numbers_that_differ_by_less_than_the_margin_become_equal(wholes, place, mine, theirs) -> None:
    """Both machines are off by less than half the margin, wherever the numbers lie, at a half most of all."""
    for offset in (0.5 + place * MARGIN, place):
        numbers = np.array(wholes) + offset
        encoder = Rounding()
        first = encoder.integers(numbers + mine * MARGIN / 2, 3)
        assert (Rounding(encoder.ties).integers(numbers + theirs * MARGIN / 2, 3) == first).all()
        assert (np.abs(first - numbers) <= 0.5 + 2 * MARGIN).all()


def test_only_what_is_nearly_a_tie_is_listed() -> None:
    rounding = Rounding()
    rounding.integers(np.array([0.1, 0.5 - MARGIN / 2, 0.5 - 2 * MARGIN, -3.5]), 4)
    assert {call: places.tolist() for call, places in rounding.ties.items()} == {4: [1, 3]}


def test_a_place_that_there_is_not_is_an_error() -> None:
    with pytest.raises(IndexError):
        Rounding({0: np.array([7])}).integers(np.zeros(3), 0)


def test_powers_are_those_of_two() -> None:
    k = np.arange(-700, 4000)
    np.testing.assert_allclose(power(k), 2.0 ** (k / OCTAVE), rtol=1e-14)


@given(st.floats(1e-9, 1e9))
def test_few_digits_hide_the_last_ones(value: float) -> None:
    assert few_digits(value) == pytest.approx(value, rel=2**-24)
    assert few_digits(few_digits(value)) == few_digits(value)
    mantissa = math.frexp(few_digits(value))[0] * 2**24
    assert mantissa == int(mantissa)
