"""Where the jackknife has a closed form, it is that; the rest is in test_interval_coverage.py."""

from collections.abc import Callable

import pytest
import torch
from metric_cases import normal
from torch import Tensor

from alphabar.metrics.intervals import student_t
from alphabar.metrics.jackknife import Jackknife, jackknife


def of_one(statistic: Callable[[Tensor], Tensor], x: Tensor, groups: int) -> Jackknife:
    parts = list(x.split(len(x) // groups))
    rest = [torch.cat(parts[:g] + parts[g + 1 :]) for g in range(groups)]
    return jackknife(float(statistic(x)), [float(statistic(y)) for y in rest])


def difference_of_means(x: Tensor, y: Tensor, groups: int) -> Jackknife:
    def without(z: Tensor) -> list[Tensor]:
        parts = list(z.split(len(z) // groups))
        return [torch.cat(parts[:g] + parts[g + 1 :]).mean() for g in range(groups)]

    return jackknife(
        float(x.mean() - y.mean()),
        [float(m - y.mean()) for m in without(x)],
        [float(x.mean() - m) for m in without(y)],
    )


def test_a_mean_has_no_bias_and_the_error_of_the_mean_of_its_groups():
    x = normal(200)
    found = of_one(torch.mean, x, 10)
    means = x.reshape(10, 20).mean(1)
    assert found.corrected == pytest.approx(float(x.mean()), rel=1e-12)
    assert found.standard_error == pytest.approx(float(means.std() / 10**0.5), rel=1e-12)
    assert found.degrees == pytest.approx(9)


def test_groups_of_one_give_the_textbook_error_of_a_mean():
    x = normal(50)
    assert of_one(torch.mean, x, 50).standard_error == pytest.approx(float(x.std() / 50**0.5), rel=1e-12)


def test_the_biased_variance_becomes_the_unbiased_one():
    x = normal(30)
    assert of_one(lambda y: y.var(correction=0), x, 30).corrected == pytest.approx(float(x.var()), rel=1e-12)


def test_the_square_of_a_mean_loses_the_variance_of_the_mean():
    x = normal(30, seed=1)
    found = of_one(lambda y: y.mean() ** 2, x, 30)
    assert found.corrected == pytest.approx(float(x.mean() ** 2 - x.var() / 30), rel=1e-10)


@pytest.mark.parametrize("groups", [5, 10, 20])
def test_a_bias_of_one_over_n_is_removed_whatever_the_groups(groups):
    n, kept = 100, 100 - 100 // groups
    assert jackknife(2 + 3 / n, [2 + 3 / kept] * groups).corrected == pytest.approx(2, rel=1e-12)
    assert jackknife(2 + 7 / n, [2 + 3 / kept + 4 / n] * groups, [2 + 3 / n + 4 / kept] * groups).corrected == (
        pytest.approx(2, rel=1e-12)
    )


def test_errors_of_two_samples_add_up_and_the_degrees_of_freedom_are_welchs():
    x, y = normal(100), 5 * normal(100, seed=1)
    found = difference_of_means(x, y, 10)
    a, b = (float(z.reshape(10, 10).mean(1).var() / 10) for z in (x, y))
    assert found.standard_error == pytest.approx((a + b) ** 0.5, rel=1e-12)
    assert found.degrees == pytest.approx((a + b) ** 2 / (a**2 / 9 + b**2 / 9), rel=1e-12)


def test_degrees_of_freedom_lie_between_those_of_one_sample_and_of_both():
    equal = jackknife(0, [1.0, -1.0] * 5, [1.0, -1.0] * 5)
    unequal = jackknife(0, [1.0, -1.0] * 5, [1e-6, -1e-6] * 5)
    assert equal.degrees == pytest.approx(18) and unequal.degrees == pytest.approx(9)


def test_the_interval_is_students_about_the_corrected_value_or_any_other():
    found = Jackknife(corrected=1.0, standard_error=0.1, degrees=9)
    half = 0.1 * student_t(9)
    assert found.interval() == pytest.approx((1 - half, 1 + half))
    assert found.interval(2.0) == pytest.approx((2 - half, 2 + half))


def test_what_does_not_vary_has_no_error():
    found = jackknife(4.0, [4.0] * 10, [4.0] * 10)
    assert found.interval() == (4, 4)


def test_one_group_is_refused():
    with pytest.raises(ValueError, match="at least two groups; got 1"):
        jackknife(1.0, [1.0])
