"""Gaussian.kl and .sample against torch.distributions, and where torch.distributions runs out of digits."""

from fractions import Fraction

import pytest
import torch
from diffusion_cases import normal
from torch.distributions import Normal, kl_divergence

from alphabar.diffusion import Gaussian


def gaussians(seed: int) -> Gaussian:
    return Gaussian(normal(4, seed), normal(4, seed + 1))


def as_normal(gaussian: Gaussian) -> Normal:
    return Normal(gaussian.mean, (0.5 * gaussian.log_var).exp())


def test_kl_is_that_of_torch_distributions():
    p, q = gaussians(0), gaussians(2)
    torch.testing.assert_close(p.kl(q), kl_divergence(as_normal(p), as_normal(q)), rtol=1e-12, atol=1e-14)


def test_kl_is_not_symmetric():
    p, q = gaussians(0), gaussians(2)
    assert not torch.allclose(p.kl(q), q.kl(p))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_kl_of_equals_is_exactly_zero(dtype):
    p = Gaussian(normal(4).to(dtype), normal(4, 5).to(dtype) - 9)
    assert bool((p.kl(p) == 0).all())


def test_kl_is_never_negative():
    p = gaussians(0)
    for shift in (1e-1, 1e-4, 1e-8):
        assert bool((p.kl(Gaussian(p.mean, p.log_var + shift)) >= 0).all())


@pytest.mark.parametrize("gap", [1e-1, 1e-3, 1e-5, 1e-7])
def test_kl_keeps_its_digits_when_the_variances_are_nearly_equal(gap):
    low = torch.tensor(-4.0, dtype=torch.float64)
    high = low + gap
    g = Fraction(high.item()) - Fraction(low.item())  # the gap as it is in floating point, exactly
    expected = float(sum(g**k / Fraction(2 * f) for k, f in ((2, 2), (3, 6), (4, 24), (5, 120), (6, 720), (7, 5040))))
    zero = torch.zeros((), dtype=torch.float64)
    assert float(Gaussian(zero, high).kl(Gaussian(zero, low))) == pytest.approx(expected, rel=1e-8)


def test_the_textbook_formula_would_have_lost_them():
    low, high = torch.tensor(-4.0, dtype=torch.float64), torch.tensor(-4.0 + 1e-9, dtype=torch.float64)
    textbook = 0.5 * (-1 + low - high + (high - low).exp())
    exact = float(high - low) ** 2 / 4
    assert abs(float(textbook) / exact - 1) > 0.5


def test_kl_is_elementwise_and_broadcasts_a_scalar_variance():
    p, q = Gaussian(normal(4), torch.tensor(-1.0, dtype=torch.float64)), gaussians(2)
    assert p.kl(q).shape == q.mean.shape


def test_a_sample_is_the_mean_plus_noise_times_the_standard_deviation():
    p, eps = gaussians(0), normal(4, 9)
    torch.testing.assert_close(p.sample(eps), p.mean + as_normal(p).stddev * eps, rtol=1e-14, atol=0)
    assert torch.equal(p.sample(torch.zeros_like(eps)), p.mean)
