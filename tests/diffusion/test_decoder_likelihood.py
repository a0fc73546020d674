"""Gaussian.discretized_log_prob: a probability over the 256 grey levels (DDPM Eq. 13), with usable tails.

The reference approximates Φ by ½(1 + tanh(√(2/π)(z + 0.044715 z³))), whose largest error is 1.79e-4. A bin between two
such values is off by at most 2 × 1.79e-4 (an open bin by half of that), so its log by that over the probability. This
is the only tolerance used against published numbers; against exact mathematics it is the precision of the arithmetic.
"""

import math

import pytest
import torch

from alphabar.diffusion import Gaussian

LEVELS = torch.arange(256, dtype=torch.float64) / 127.5 - 1
TANH_ERROR = 1.79e-4


def tanh_cdf(z: float) -> float:
    return 0.5 * (1 + math.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))


def exact_cdf(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2))


def reference(x: float, mean: float, log_std: float, cdf=tanh_cdf) -> float:
    """log P of one pixel as in facts/ddpm_iddpm.md §1.7."""
    high, low = ((x - mean + side) * math.exp(-log_std) for side in (1 / 255, -1 / 255))
    if x < -0.999:
        return math.log(max(cdf(high), 1e-12))
    if x > 0.999:
        return math.log(max(1 - cdf(low), 1e-12))
    return math.log(max(cdf(high) - cdf(low), 1e-12))


def log_prob(x: float, mean: float, log_std: float, dtype=torch.float64) -> float:
    m, log_var, x = (torch.tensor([value], dtype=dtype) for value in (mean, 2 * log_std, x))
    return float(Gaussian(m, log_var).discretized_log_prob(x))


@pytest.mark.parametrize("log_std", [-7.0, -5.0, -3.0, -1.0, 0.0, 2.0])
@pytest.mark.parametrize("mean", [-3.0, -1.0, -0.4321, 0.0, 1 / 255, 0.5, 1.0, 1.7])
def test_the_256_probabilities_sum_to_one(mean, log_std):
    p = Gaussian(torch.full_like(LEVELS, mean), torch.tensor(2 * log_std, dtype=torch.float64))
    assert float(p.discretized_log_prob(LEVELS).exp().sum()) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(
    "x, mean, log_std, golden",
    [(-1, -1, -5, -0.328963), (-1, -1, -3, -0.632258), (1 / 255, 0, -5, -0.973875), (1 / 255, 0, -3, -2.771204)],
)
def test_published_values_up_to_the_references_own_error(x, mean, log_std, golden):
    assert reference(x, mean, log_std) == pytest.approx(golden, abs=6e-7)  # the test reads the fact sheet right
    sides = 1 if abs(x) == 1 else 2
    assert log_prob(x, mean, log_std) == pytest.approx(golden, abs=1.05 * sides * TANH_ERROR / math.exp(golden))


@pytest.mark.parametrize("log_std", [-5.0, -3.0, -1.0])
@pytest.mark.parametrize("mean", [-1.1, -0.3, 0.0, 0.8])
@pytest.mark.parametrize("level", [0, 1, 80, 127, 128, 254, 255])
def test_it_is_the_integral_over_the_bin(level, mean, log_std):
    x = float(LEVELS[level])
    exact = reference(x, mean, log_std, exact_cdf)
    if exact > -20:  # beyond, the test's own difference of two Φ has no digits left
        assert log_prob(x, mean, log_std) == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("log_std", [-6.0, -5.0, -2.0, 0.0])
def test_both_tails_are_mirror_images(log_std):
    p = Gaussian(torch.full_like(LEVELS, 0.3), torch.tensor(2 * log_std, dtype=torch.float64))
    mirrored = Gaussian(-p.mean, p.log_var).discretized_log_prob(-LEVELS)
    torch.testing.assert_close(p.discretized_log_prob(LEVELS), mirrored, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("x", [-1.0, -129 / 255, 1 / 255, 1.0])
@pytest.mark.parametrize(
    "mean, dtype",
    # in float32, torch's own derivative of log Φ(z) has no digits left below z ≈ −1e4, that is |mean| ≈ 70 here
    [(sign * m, dtype) for sign in (-1, 1) for m, dtype in ((3.0, torch.float32), (30.0, torch.float32))]
    + [(sign * m, torch.float64) for sign in (-1, 1) for m in (3.0, 30.0, 1000.0)],
)
def test_far_in_the_tails_the_gradient_is_finite_and_points_home(x, mean, dtype):
    m = torch.tensor([mean], dtype=dtype, requires_grad=True)
    log_var = torch.tensor([-10.0], dtype=dtype, requires_grad=True)
    value = Gaussian(m, log_var).discretized_log_prob(torch.tensor([x], dtype=dtype))
    value.sum().backward()
    assert bool(value.isfinite().all() and m.grad.isfinite().all() and log_var.grad.isfinite().all())
    if abs(x) < 1 or (x > 0) != (mean > 0):  # a mean beyond the end on the same side is already certain
        assert float(m.grad) * mean < 0 and float(log_var.grad) > 0
        assert value.item() < -100  # the reference stops at −27.6 with gradient 0
    else:
        assert value.item() == pytest.approx(0, abs=1e-6)


def test_float32_is_close_to_float64_everywhere():
    mean = torch.linspace(-1.5, 1.5, 31, dtype=torch.float64).reshape(-1, 1)
    log_std = torch.linspace(-5.3, 0, 12, dtype=torch.float64)
    for x in LEVELS[[0, 1, 100, 128, 254, 255]]:
        wide = Gaussian(mean, 2 * log_std).discretized_log_prob(x)
        narrow = Gaussian(mean.float(), 2 * log_std.float()).discretized_log_prob(x.float())
        torch.testing.assert_close(narrow.double(), wide, rtol=2e-3, atol=2e-3)
