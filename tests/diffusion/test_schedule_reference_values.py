"""The tables of Ho's and of OpenAI's code, as printed in facts/ddpm_iddpm.md §1.2 (their index i is our t − 1)."""

import math
from decimal import Decimal

import numpy as np
import pytest
import torch

from alphabar.diffusion import SCHEDULES, cosine, linear
from alphabar.diffusion.schedules import constant, jsd, linear_raw, quadratic, sigmoid, warmup

# β[0], β[1], β[T//2], β[T−1], ᾱ[0], ᾱ[T//2], ᾱ[T−1], β̃[1], log β̃[1]
TABLE = {
    ("linear", 1000): "1e-4 1.1991991992e-4 0.01005995996 0.02 0.9999 0.077796658365 4.03583e-5 5.4531876613e-5 "
    "-9.816725135",
    ("linear", 4000): "2.5e-5 2.62440610153e-5 0.00251312203 0.005 0.999975 0.0787464752 4.24665e-5 1.2803628613e-5 "
    "-11.26578194",
    ("cosine", 1000): "4.1284224822e-5 4.61417527e-5 0.00315569144 0.999 0.999958715775 0.492285172449 2.42877e-9 "
    "2.1789496146e-5 -10.73408253",
    ("cosine", 4000): "9.86581881e-6 1.01694149e-5 7.8893555351e-4 0.999 0.999990134181 0.493453979674 1.51798e-10 "
    "5.0076833952e-6 -12.20453715",
    ("linear", 100): "1e-3 3.0101010e-3 0.101505050505 0.2 0.999 0.0666656268 2.03901e-5 7.511936e-4 -7.193847162",
    ("linear_raw", 1000): "1e-4 1.1991991992e-4 0.01005995996 0.02 0.9999 0.077796658365 4.03583e-5",
    ("quadratic", 1000): "1e-4 1.0264836e-4 0.0057420711 0.02 0.9999 0.33127458 7.33412e-4",
    ("constant", 1000): "0.02 0.02 0.02 0.02 0.98 4.0203505e-5 1.68297e-9",
    ("warmup10", 1000): "1e-4 3.010101e-4 0.02 0.02 0.9999 1.1021389e-4 4.61369e-9",
    ("warmup50", 1000): "1e-4 1.3987976e-4 0.02 0.02 0.9999 0.0062256566 2.60614e-7",
    ("jsd", 1000): "1e-3 1.001001e-3 2e-3 1 0.999 0.499 0",
}


def agrees(value: float, printed: str) -> bool:
    """To one unit of the last printed digit; numbers printed with fewer than five digits are exact."""
    number = Decimal(printed)
    exact = len(number.as_tuple().digits) < 5 or not number
    return abs(value - float(number)) <= (1e-11 * abs(float(number)) if exact else 10.0 ** number.as_tuple().exponent)


@pytest.mark.parametrize("name, T", TABLE)
def test_the_published_table(name, T):
    s = SCHEDULES[name](T)
    middle = T // 2 + 1
    ours = [s.beta[1], s.beta[2], s.beta[middle], s.beta[T], s.alpha_bar[1], s.alpha_bar[middle], s.alpha_bar[T]]
    ours += [s.beta_tilde[2], s.log_beta_tilde[2]]
    for value, printed in zip(ours, TABLE[name, T].split(), strict=False):
        assert agrees(float(value), printed), f"{float(value)!r} is not {printed}"


def test_agrees_can_say_no():
    assert agrees(4.03583e-5, "4.03583e-5") and not agrees(4.0360e-5, "4.03583e-5") and not agrees(0.021, "0.02")


def test_linear_has_the_betas_of_ddpm_section_4():
    np.testing.assert_allclose(linear(1000).beta[1:], np.linspace(1e-4, 0.02, 1000), rtol=1e-11)
    np.testing.assert_allclose(linear(250).beta[1:], np.linspace(4e-4, 0.08, 250), rtol=1e-11)


@pytest.mark.parametrize("T", [21, 100, 1000, 4000])
def test_linear_destroys_about_as_much_whatever_T_is(T):
    assert 0 < float(linear(T).alpha_bar[-1]) < 6e-5


def test_linear_raw_does_not_depend_on_T():
    np.testing.assert_allclose(linear_raw(300).beta[1:], np.linspace(1e-4, 0.02, 300), rtol=1e-11)


def test_quadratic_is_linear_in_the_square_root():
    np.testing.assert_allclose(quadratic(77).beta[1:].sqrt(), np.linspace(0.01, math.sqrt(0.02), 77), rtol=1e-11)


def test_constant_is_constant():
    np.testing.assert_allclose(constant(60, beta=0.3).alpha_bar, 0.7 ** np.arange(61), rtol=1e-12)


@pytest.mark.parametrize("T", [1, 2, 50, 1000])
def test_jsd_loses_the_same_share_at_every_step(T):
    np.testing.assert_allclose(jsd(T).alpha_bar, 1 - np.arange(T + 1) / T, atol=1e-13)
    assert float(jsd(T).alpha_bar[-1]) == 0 and jsd(T).ends_in_pure_noise


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5, 1.0])
def test_warmup_ramps_and_stays(fraction):
    beta = warmup(200, fraction).beta[1:].numpy()
    ramp = int(200 * fraction)
    np.testing.assert_allclose(beta[:ramp], np.linspace(1e-4, 0.02, ramp), rtol=1e-11)
    np.testing.assert_allclose(beta[ramp:], 0.02, rtol=1e-11)


@pytest.mark.parametrize("T", [2, 10, 100, 1000, 4000])
def test_cosine_clips_the_last_beta_and_no_other(T):
    f = np.cos((np.arange(T + 1) / T + 0.008) / 1.008 * np.pi / 2) ** 2
    schedule = cosine(T)
    np.testing.assert_allclose(schedule.alpha_bar[:-1], (f / f[0])[:-1], rtol=1e-10)
    assert float(schedule.beta[-1]) == pytest.approx(0.999, rel=1e-12)
    assert bool((schedule.beta[:-1] < 0.98).all())


@pytest.mark.parametrize("start, end, tau", [(-3.0, 3.0, 1.0), (0.0, 3.0, 0.5)])
def test_sigmoid_is_algorithm_1_of_jabri_et_al(start, end, tau):
    T = 100
    u = np.arange(T + 1) / T
    low, high = 1 / (1 + np.exp(-start / tau)), 1 / (1 + np.exp(-end / tau))
    gamma = (high - 1 / (1 + np.exp(-(u * (end - start) + start) / tau))) / (high - low)
    np.testing.assert_allclose(sigmoid(T, start, end, tau).alpha_bar[:-1], gamma[:-1], rtol=1e-10)
    assert float(sigmoid(T, start, end, tau).beta[-1]) == pytest.approx(0.999, rel=1e-12)


def test_tables_are_float64_so_that_4000_steps_lose_nothing():
    exact = np.cumprod(1 - np.linspace(2.5e-5, 0.005, 4000, dtype=np.longdouble))
    np.testing.assert_allclose(linear(4000).alpha_bar[1:], exact.astype(np.float64), rtol=1e-12)
    assert linear(4000).alpha_bar.dtype == torch.float64
