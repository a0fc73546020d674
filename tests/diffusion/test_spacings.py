"""Which steps a shorter chain visits."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alphabar.diffusion import SCHEDULES, SPACINGS, NoiseSchedule, cosine, spaced

NOISIEST = 80.0  # σ at most; half_log_snr and karras go no further
BY_NOISE = {
    "half_log_snr": (math.log, math.exp),
    "karras": (lambda sigma: sigma ** (1 / 7), lambda root: root**7),
}
"""What is evenly spaced, as a function of σ = √((1 − ᾱ)/ᾱ), and its inverse."""
LEAVES_OUT_THE_NOISIEST = {"leading", *BY_NOISE}
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


@pytest.mark.parametrize("spacing", sorted(set(SPACINGS) - {"trailing"}))
def test_the_last_step_is_from_t_1(spacing):
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


def sigmas(schedule: NoiseSchedule) -> list[float]:
    """σ of t = 0..T."""
    return [math.sqrt((1 - a) / a) if a else math.inf for a in schedule.alpha_bar.tolist()]


def nearest(schedule: NoiseSchedule, sigma: float) -> int:
    """The row in 1..T with the σ nearest to this one, in ratio."""
    table = sigmas(schedule)
    return min(range(1, schedule.T + 1), key=lambda t: abs(math.log(table[t] / sigma)))


CHAINS = pytest.mark.parametrize("chain", [SCHEDULES[name](200) for name in SCHEDULES], ids=list(SCHEDULES))


@CHAINS
@pytest.mark.parametrize("spacing", BY_NOISE)
def test_a_grid_by_noise_has_as_many_rows_as_asked_for_and_ends_at_t_1(spacing, chain):
    """Where a chain is coarser than the grid, neighbours give way; jsd has σ_T = ∞."""
    last = nearest(chain, min(sigmas(chain)[-1], NOISIEST))
    for steps in range(1, chain.T + 1):
        rows = spaced(chain, spacing, steps)
        assert len(rows) == steps and all(a < b for a, b in pairwise(rows))
        assert rows[-1] >= last and rows[-1] <= chain.T
        assert rows[0] == 1 or steps == 1


@CHAINS
@pytest.mark.parametrize("spacing", BY_NOISE)
def test_a_single_step_by_noise_is_from_the_row_nearest_to_sigma_80(spacing, chain):
    assert spaced(chain, spacing, 1) == [nearest(chain, min(sigmas(chain)[-1], NOISIEST))]


@pytest.mark.parametrize("name", ["linear", "cosine", "sigmoid"])
@pytest.mark.parametrize("steps", [2, 5, 10, 15])
@pytest.mark.parametrize("spacing", BY_NOISE)
def test_a_grid_by_noise_is_even_but_for_the_nearest_row(spacing, steps, name):
    """On a chain that is fine enough for neighbours not to meet."""
    chain, (even, sigma_of) = SCHEDULES[name](4000), BY_NOISE[spacing]
    table = sigmas(chain)
    start, end = even(table[1]), even(min(table[-1], NOISIEST))
    places = [sigma_of(start + (end - start) * k / (steps - 1)) for k in range(steps)]
    assert spaced(chain, spacing, steps) == [nearest(chain, sigma) for sigma in places]


@pytest.mark.parametrize("spacing", BY_NOISE)
def test_a_grid_by_noise_of_a_short_chain_visits_what_there_is(spacing):
    """Of rows that all lie on even places, every one; of those with others between, the ones on the places."""
    even, sigma_of = BY_NOISE[spacing]
    start, end = even(0.05), even(20.0)
    alpha_bar = [1.0, *(1 / (1 + sigma_of(start + (end - start) * k / 12) ** 2) for k in range(13))]
    chain = NoiseSchedule(torch.tensor(alpha_bar, dtype=torch.float64), torch.arange(14))
    assert spaced(chain, spacing, 13) == list(range(1, 14))
    assert spaced(chain, spacing, 7) == list(range(1, 14, 2))
    assert spaced(chain, spacing, 4) == [1, 5, 9, 13]
