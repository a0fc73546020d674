"""The decoders: a probability over the 256 grey levels (DDPM Eq. 13), with usable tails.

The reference approximates Φ by ½(1 + tanh(√(2/π)(z + 0.044715 z³))), whose largest error is 1.79e-4. A bin between two
such values is off by at most 2 × 1.79e-4 (an open bin by half of that), so its log by that over the probability. This
is the only tolerance used against published numbers; against exact mathematics it is the precision of the arithmetic.
"""

import math

import pytest
import torch

from alphabar.diffusion import DECODERS, Gaussian
from alphabar.diffusion.decoder import discretized_log_prob, reference_log_prob
from covering import covering

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


def log_prob(x: float, mean: float, log_std: float, dtype=torch.float64, decoder=discretized_log_prob) -> float:
    m, log_var, x = (torch.tensor([value], dtype=dtype) for value in (mean, 2 * log_std, x))
    return float(decoder(Gaussian(m, log_var), x))


@covering(
    {
        "mean": [-3.0, -1.0, -0.4321, 0.0, 1 / 255, 0.5, 1.0, 1.7],
        "log_std": [-7.0, -5.0, -3.0, -1.0, 0.0, 2.0],
        "name": DECODERS,
    }
)
def test_the_256_probabilities_sum_to_one(mean, log_std, name):
    p = Gaussian(torch.full_like(LEVELS, mean), torch.tensor(2 * log_std, dtype=torch.float64))
    assert float(DECODERS[name](p, LEVELS).exp().sum()) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(
    "x, mean, log_std, golden",
    [(-1, -1, -5, -0.328963), (-1, -1, -3, -0.632258), (1 / 255, 0, -5, -0.973875), (1 / 255, 0, -3, -2.771204)],
)
def test_published_values_up_to_the_references_own_error(x, mean, log_std, golden):
    assert reference(x, mean, log_std) == pytest.approx(golden, abs=6e-7)  # checks this test's own reference
    assert log_prob(x, mean, log_std, decoder=reference_log_prob) == pytest.approx(golden, abs=6e-7)
    sides = 1 if abs(x) == 1 else 2
    exact = log_prob(x, mean, log_std)
    assert exact == pytest.approx(golden, abs=1.05 * sides * TANH_ERROR / math.exp(golden))
    assert exact != pytest.approx(golden, abs=6e-7)


@covering({"level": [0, 1, 80, 127, 128, 254, 255], "mean": [-1.1, -0.3, 0.0, 0.8], "log_std": [-5.0, -3.0, -1.0]})
def test_the_reference_decoder_is_the_published_formula(level, mean, log_std):
    x = float(LEVELS[level])
    ours = log_prob(x, mean, log_std, decoder=reference_log_prob)
    assert ours == pytest.approx(reference(x, mean, log_std), rel=1e-9, abs=1e-9)


def test_the_reference_decoder_stops_at_its_floor_without_gradient():
    m = torch.tensor([0.9], dtype=torch.float64, requires_grad=True)
    value = reference_log_prob(Gaussian(m, torch.tensor(-10.0)), torch.tensor([-0.9], dtype=torch.float64))
    value.sum().backward()
    assert value.item() == pytest.approx(-27.631021, abs=6e-7) and m.grad.item() == 0


@covering({"level": [0, 1, 80, 127, 128, 254, 255], "mean": [-1.1, -0.3, 0.0, 0.8], "log_std": [-5.0, -3.0, -1.0]})
def test_it_is_the_integral_over_the_bin(level, mean, log_std):
    x = float(LEVELS[level])
    exact = reference(x, mean, log_std, exact_cdf)
    if exact > -20:  # beyond, the test's own difference of two Φ has no digits left
        assert log_prob(x, mean, log_std) == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("log_std", [-6.0, -5.0, -2.0, 0.0])
def test_both_tails_are_mirror_images(log_std, name):
    p = Gaussian(torch.full_like(LEVELS, 0.3), torch.tensor(2 * log_std, dtype=torch.float64))
    mirrored = DECODERS[name](Gaussian(-p.mean, p.log_var), -LEVELS)
    # the reference's small probabilities are a difference of numbers near 1 on one side
    close = {"rtol": 1e-9, "atol": 1e-12} if name == "exact" else {"rtol": 1e-3, "atol": 1e-3}
    torch.testing.assert_close(DECODERS[name](p, LEVELS), mirrored, **close)


@covering(
    {
        "mean": [sign * m for sign in (-1, 1) for m in (3.0, 30.0, 1e3, 1e6, 1e9)],
        "dtype": [torch.float32, torch.float64],
        "x": [-1.0, -129 / 255, 1 / 255, 1.0],
    }
)
def test_far_in_the_tails_the_gradient_is_that_of_the_asymptotic_series(x, mean, dtype):
    """|z| from 3e2 to 1e11. The nearer edge of the bin alone counts there: log P ≈ log Φ(−|z|), and with Mills' ratio
    φ(z)/Φ(−|z|) = |z| + 1/|z| + O(|z|⁻³); z depends on the mean by 1/σ and on log σ² by −z/2."""
    m = torch.tensor([mean], dtype=dtype, requires_grad=True)
    log_var = torch.tensor([-10.0], dtype=dtype, requires_grad=True)
    value = discretized_log_prob(Gaussian(m, log_var), torch.tensor([x], dtype=dtype))
    value.sum().backward()
    assert value.dtype == m.grad.dtype == dtype
    if abs(x) == 1 and (x > 0) == (mean > 0):  # a mean beyond the end on the same side is already certain
        assert value.item() == pytest.approx(0, abs=1e-6)
        assert float(m.grad) == float(log_var.grad) == pytest.approx(0, abs=1e-6)
        return
    sign = math.copysign(1, mean)
    distance = abs(mean) - sign * torch.tensor(x, dtype=dtype).item() - 1 / 255
    z = distance * math.exp(5)
    mills = z + 1 / z - 2 / z**3
    assert value.item() == pytest.approx(-z * z / 2 - math.log(z * math.sqrt(2 * math.pi)), rel=1e-5)
    assert float(m.grad) == pytest.approx(-sign * mills * math.exp(5), rel=1e-6)
    assert float(log_var.grad) == pytest.approx(mills * z / 2, rel=1e-6)


@covering(
    {
        "log_var": [-12.0, -8.0, -4.0, 0.0, 4.0],
        "mean": [-1.2, -0.5, -0.01, 0.0, 0.3, 1.1],
        "x": [-1.0, -129 / 255, 1 / 255, 1.0],
    }
)
def test_elsewhere_the_gradient_is_that_of_finite_differences(x, mean, log_var):
    m, v = (torch.tensor([value], dtype=torch.float64, requires_grad=True) for value in (mean, log_var))
    x = torch.tensor([x], dtype=torch.float64)
    discretized_log_prob(Gaussian(m, v), x).sum().backward()
    h = 1e-5

    def at(mean, log_var):
        return float(discretized_log_prob(Gaussian(*torch.tensor([[mean], [log_var]], dtype=torch.float64)), x))

    step = h * math.exp(log_var / 2)
    assert m.grad.item() == pytest.approx((at(mean + step, log_var) - at(mean - step, log_var)) / step / 2, 1e-5, 1e-5)
    assert v.grad.item() == pytest.approx((at(mean, log_var + h) - at(mean, log_var - h)) / h / 2, 1e-5, 1e-5)


def test_torch_own_derivative_would_have_no_digits_there():
    """Why log Φ is written out: the test above can fail."""
    z = torch.tensor([-1e8], dtype=torch.float64, requires_grad=True)
    torch.special.log_ndtr(z).backward()
    assert float(z.grad) != pytest.approx(1e8, rel=1e-2)


@pytest.mark.parametrize("name", DECODERS)
def test_float32_is_close_to_float64_everywhere(name):
    """All that float32 does is round the inputs."""
    mean = torch.linspace(-1.5, 1.5, 31, dtype=torch.float64).reshape(-1, 1)
    log_std = torch.linspace(-5.3, 0, 12, dtype=torch.float64)
    for x in LEVELS[[0, 1, 100, 128, 254, 255]]:
        rounded = [value.float() for value in (mean, 2 * log_std, x)]
        narrow = DECODERS[name](Gaussian(*rounded[:2]), rounded[2])
        wide = DECODERS[name](Gaussian(*(value.double() for value in rounded[:2])), rounded[2].double())
        assert narrow.dtype == torch.float32
        torch.testing.assert_close(narrow.double(), wide, rtol=1e-6, atol=1e-7)
