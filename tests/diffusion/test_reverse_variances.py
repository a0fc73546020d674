"""Σ_θ of the reverse step, always as a log-variance."""

import numpy as np
import pytest
import torch
from diffusion_cases import STEPS, every_step, images

from alphabar.diffusion import FIXED_LARGE, FIXED_SMALL, SCHEDULES, VARIANCES, cosine, linear

FIXED = [variance for variance in VARIANCES.values() if not variance.learned]


def table(variance, schedule) -> np.ndarray:
    x = images(schedule.T)
    return variance.log_var(schedule, x, every_step(schedule), None).flatten().numpy()


@pytest.mark.parametrize("name", SCHEDULES)
def test_fixed_small_is_the_posteriors_variance(name):
    schedule = SCHEDULES[name](STEPS)
    a = schedule.alpha_bar.numpy()
    tilde = (1 - a[1:] / a[:-1]) * (1 - a[:-1]) / (1 - a[1:])
    np.testing.assert_allclose(table(FIXED_SMALL, schedule)[1:], np.log(tilde[1:]), atol=1e-10)


@pytest.mark.parametrize("name", SCHEDULES)
def test_fixed_large_is_the_steps_variance(name):
    schedule = SCHEDULES[name](STEPS)
    a = schedule.alpha_bar.numpy()
    np.testing.assert_allclose(table(FIXED_LARGE, schedule)[1:], np.log(1 - a[1:] / a[:-1])[1:], atol=1e-10)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("variance", [FIXED_SMALL, FIXED_LARGE], ids=lambda v: v.name)
def test_the_first_step_borrows_the_second_posteriors_width(name, variance):
    schedule = SCHEDULES[name](STEPS)
    assert table(variance, schedule)[0] == pytest.approx(float(schedule.beta_tilde[2].log()), abs=1e-12)


def test_their_ratio_is_that_of_the_fact_sheet():
    ratio = np.exp(table(FIXED_SMALL, linear(1000)) - table(FIXED_LARGE, linear(1000)))
    published = {2: 0.4547, 3: 0.6113, 5: 0.7431, 10: 0.8528, 50: 0.9639, 100: 0.9819}
    # the sheet counts i = t − 1 in its formulas but t in this list; β̃_1/β_1 = 0 stands first
    np.testing.assert_allclose([ratio[t - 1] for t in published], list(published.values()), atol=6e-5)


@pytest.mark.parametrize("variance", FIXED, ids=lambda v: v.name)
def test_fixed_variances_lie_between_the_two_of_ddpm(variance):
    schedule = cosine(100)
    low, value, high = (table(v, schedule) for v in (FIXED_SMALL, variance, FIXED_LARGE))
    assert (low <= value + 1e-12).all() and (value <= high + 1e-12).all()


@pytest.mark.parametrize("variance", FIXED, ids=lambda v: v.name)
@pytest.mark.parametrize("t", [1, 2, STEPS])
def test_one_step_for_the_batch_and_one_per_image_agree(variance, t):
    x = images(4).float()
    one = variance.log_var(cosine(STEPS), x, t, None)
    many = variance.log_var(cosine(STEPS), x, torch.full((4,), t), None)
    assert one.dtype == many.dtype == torch.float32
    assert many.shape == (4, 1, 1, 1) and torch.equal(one.expand_as(many), many)


def test_respacing_widens_the_steps():
    full, short = cosine(100), cosine(100).respace([10, 50, 100])
    assert float(FIXED_LARGE.log_var(short, images(1), 2, None)) == pytest.approx(
        float((1 - full.alpha_bar[50] / full.alpha_bar[10]).log()), abs=1e-12
    )


def test_registered_names_are_the_names_of_the_objects():
    assert all(name == variance.name for name, variance in VARIANCES.items())
