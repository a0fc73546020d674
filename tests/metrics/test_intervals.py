"""Student's t against tables, Wilson's interval against the equation that defines it."""

import math

import pytest

from alphabar.metrics.intervals import Z, student_t, t_interval, wilson


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [
        (1, 12.706204736174694),
        (1.5, 6.016663104427929),
        (2, 4.302652729749462),
        (9, 2.262157162798205),
        (12.3, 2.172933481758962),
        (30, 2.0422724563012373),
        (1e6, 1.959966356814107),
    ],
)
def test_students_t_is_that_of_scipy(degrees, expected):
    assert student_t(degrees) == pytest.approx(expected, rel=1e-8)


def test_students_t_of_two_degrees_has_a_closed_form():
    p = 0.95
    assert student_t(2) == pytest.approx(math.sqrt(2 * p**2 / (1 - p**2)), rel=1e-10)


def test_students_t_falls_to_the_normals_quantile():
    values = [student_t(degrees) for degrees in (1, 2, 5, 17.5, 100, 1e4, 1e8)]
    assert values == sorted(values, reverse=True)
    assert values[-1] == pytest.approx(Z, rel=1e-6)


def test_the_t_interval_is_about_its_centre():
    low, high = t_interval(3, 0.5, 9)
    assert (low + high) / 2 == pytest.approx(3)
    assert high - low == pytest.approx(2 * 0.5 * student_t(9))


@pytest.mark.parametrize(("share", "n"), [(0.14, 50), (0.5, 7), (0.999, 1000), (0, 20), (1, 20)])
def test_wilsons_limits_are_the_shares_that_lie_196_of_their_own_errors_away(share, n):
    low, high = wilson(share, n)
    for limit in (low, high):
        assert (share - limit) ** 2 == pytest.approx(Z**2 * limit * (1 - limit) / n, abs=1e-15)
    assert 0 <= low <= share <= high <= 1


def test_wilsons_interval_is_that_of_scipy():
    assert wilson(7 / 50, 50) == pytest.approx((0.06950833427016292, 0.26186193710585537), rel=1e-12)


def test_no_successes_are_no_proof_of_impossibility():
    assert wilson(0, 20)[1] == pytest.approx(0.16112515805281935, rel=1e-12)
