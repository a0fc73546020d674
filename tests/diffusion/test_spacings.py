"""Which steps a shorter chain visits."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphabar.diffusion import SPACINGS, cosine, spaced

LEAVES_OUT_THE_NOISIEST = {"leading"}
MAY_MERGE_NEIGHBOURS = {"quadratic"}


def from_zero(T: int, steps: int, spacing: str = "uniform") -> list[int]:
    """The rows as the references count them."""
    return [t - 1 for t in spaced(cosine(T), spacing, steps)]


def space_timesteps(T: int, steps: int) -> list[int]:
    """improved-diffusion's rule for one section: add a fractional stride, round each sum (half to even)."""
    position, rows = 0.0, []
    for _ in range(steps):
        rows.append(round(position))
        position += (T - 1) / (steps - 1)
    return rows


def test_uniform_gives_250_of_1000():
    rows = from_zero(1000, 250)
    assert rows[:6] == [0, 4, 8, 12, 16, 20] and rows[-4:] == [987, 991, 995, 999] and len(rows) == 250


def test_uniform_gives_100_of_4000():
    rows = from_zero(4000, 100)
    assert rows[:6] == [0, 40, 81, 121, 162, 202] and rows[-4:] == [3878, 3918, 3959, 3999]


def test_uniform_gives_5_of_10():
    assert from_zero(10, 5) == [0, 2, 4, 7, 9]


@pytest.mark.parametrize("T", [50, 100, 1000, 4000])
def test_uniform_is_improved_diffusions_respacing_for_every_length(T):
    every = range(2, T + 1) if T <= 1000 else (25, 31, 50, 57, 100, 200, 250, 399, 400, 500, 1000, 2000)
    schedule = cosine(T)
    different = [K for K in every if [t - 1 for t in spaced(schedule, "uniform", K)] != space_timesteps(T, K)]
    assert not different


def test_leading_is_ddim50():
    assert from_zero(1000, 50, "leading") == list(range(0, 1000, 20))


@pytest.mark.parametrize("T, steps", [(1000, 50), (1000, 64), (1000, 13), (4000, 7), (10, 4)])
def test_trailing_ends_at_T_and_steps_back_evenly(T, steps):
    rows = spaced(cosine(T), "trailing", steps)
    assert rows[-1] == T and max(abs(rows[k - 1] - k * T / steps) for k in range(1, steps + 1)) <= 0.5


def test_trailing_is_the_grid_of_lin_et_al():
    assert spaced(cosine(1000), "trailing", 10) == list(range(100, 1001, 100))


def test_quadratic_is_denser_near_the_data():
    rows = spaced(cosine(1000), "quadratic", 10)
    assert rows == [round(1 + 999 * (k / 9) ** 2) for k in range(10)]
    gaps = [b - a for a, b in pairwise(rows)]
    assert gaps == sorted(gaps)


@pytest.mark.parametrize("spacing", SPACINGS)
@given(T=st.integers(1, 300), data=st.data())
@settings(max_examples=60, deadline=None)
def test_rows_rise_strictly_within_the_chain(spacing, T, data):
    steps = data.draw(st.integers(1, T))
    schedule = cosine(T)
    rows = spaced(schedule, spacing, steps)
    assert len(rows) == schedule.respace(rows).T  # respace checks order and range
    assert len(rows) <= steps if spacing in MAY_MERGE_NEIGHBOURS else len(rows) == steps
    assert rows[-1] == T or spacing in LEAVES_OUT_THE_NOISIEST
    assert all(type(t) is int for t in rows)


@pytest.mark.parametrize("spacing", ["uniform", "quadratic", "leading"])
def test_both_ends_of_a_long_grid_are_where_they_are_said_to_be(spacing):
    assert spaced(cosine(1000), spacing, 20)[0] == 1


@pytest.mark.parametrize("spacing", sorted(set(SPACINGS) - MAY_MERGE_NEIGHBOURS))
def test_as_many_steps_as_the_chain_has_are_the_chain(spacing):
    assert spaced(cosine(37), spacing, 37) == list(range(1, 38))


@pytest.mark.parametrize("spacing", sorted(set(SPACINGS) - LEAVES_OUT_THE_NOISIEST))
def test_a_single_step_starts_from_noise(spacing):
    assert spaced(cosine(100), spacing, 1) == [100]


@pytest.mark.parametrize("steps", [0, -1, 101])
@pytest.mark.parametrize("spacing", SPACINGS)
def test_a_number_of_steps_outside_the_chain_is_refused(spacing, steps):
    with pytest.raises(ValueError, match=rf"1\.\.100.*got {steps}\."):
        spaced(cosine(100), spacing, steps)
