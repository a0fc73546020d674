"""The chain codes images exactly, in as many bits as the bound says, with any model."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

pytest.importorskip("constriction", reason="needs the extra `compression`")

from alphabar import images
from alphabar.coding.chain import Chain
from alphabar.coding.grid import FINENESS, Grid
from alphabar.coding.precision import Exact, Rounded
from alphabar.coding.rounding import Rounding
from alphabar.coding.stack import ExhaustedError, Noise, Stack
from alphabar.diffusion import (
    PARAMETERIZATIONS,
    SCHEDULES,
    VARIANCES,
    X0,
    Denoiser,
    NoiseSchedule,
    ReverseVariance,
    cosine,
    variational_bound,
)

CPU = torch.device("cpu")
MEAN, STD = 0.1, 0.3
"""Of the toy data: every pixel is N(MEAN, STD²), rounded to its level."""


def full(words: int = 200_000) -> Stack:
    return Stack(np.random.default_rng(0).integers(1, 2**32, words, dtype=np.uint64).astype(np.uint32))


def exact(schedule: NoiseSchedule) -> Denoiser:
    """The denoiser whose p(x_{t−1} | x_t) is q(x_{t−1} | x_t) of the toy data, which is a Gaussian."""
    alpha_bar = schedule.alpha_bar

    def network(x: Tensor, time: Tensor) -> Tensor:
        a = alpha_bar[time.long() + 1].reshape(-1, 1, 1, 1)
        variance = a * STD**2 + 1 - a
        return (MEAN + a.sqrt() * STD**2 / variance * (x - a.sqrt() * MEAN)).to(x.dtype)

    def log_var(schedule: NoiseSchedule, x_t: Tensor, t: int | Tensor, raw: Tensor | None) -> Tensor:
        a, before = schedule.alpha_bar[t], schedule.alpha_bar[t - 1]
        covariance = (a / before).sqrt() * (before * STD**2 + 1 - before)
        return ((before * STD**2 + 1 - before) - covariance**2 / (a * STD**2 + 1 - a)).log()

    return Denoiser(network, schedule, X0, ReverseVariance("exact", False, log_var))


def toy_data(count: int) -> Tensor:
    x = MEAN + STD * torch.randn(count, 1, 16, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return images.to_uint8(x)


def test_a_chain_that_is_exact_reaches_the_entropy() -> None:
    x0 = toy_data(64)
    d = exact(cosine(12))
    stack = full()
    before = stack.bits
    Chain(d, Grid(d.schedule), CPU).encode(stack, x0)
    edges = (torch.arange(257, dtype=torch.float64) - 0.5) / 127.5 - 1
    edges[0], edges[-1] = -math.inf, math.inf
    probabilities = torch.special.ndtr((edges - MEAN) / STD).diff()
    ideal = -float(probabilities[x0.flatten().long()].log2().sum())
    assert stack.bits - before == pytest.approx(ideal, rel=1e-3)


def random_denoiser(schedule: str, parameterization: str, variance: str, channels: int = 1) -> Denoiser:
    chosen = VARIANCES[variance]
    shape = (2 * channels if chosen.learned else channels, channels, 3, 3)
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(1)) / 3
    return Denoiser(
        lambda x, time: torch.nn.functional.conv2d(x, weight.to(x.dtype), padding=1) * 0.5,
        SCHEDULES[schedule](25),
        PARAMETERIZATIONS[parameterization],
        chosen,
        x0_transform=lambda x0: x0.clamp(-1, 1),
    )


CASES = [
    (schedule, parameterization, variance)
    for schedule in SCHEDULES
    for parameterization, variance in zip(
        [*PARAMETERIZATIONS] * len(VARIANCES), [*VARIANCES] * len(PARAMETERIZATIONS), strict=True
    )
    if not (parameterization == "eps" and SCHEDULES[schedule](25).ends_in_pure_noise)
]
HARD = {
    "noise": torch.randint(0, 256, (3, 1, 8, 8), generator=torch.Generator().manual_seed(2)).to(torch.uint8),
    "black": torch.zeros(3, 1, 8, 8, dtype=torch.uint8),
    "white": torch.full((3, 1, 8, 8), 255, dtype=torch.uint8),
}


@pytest.mark.parametrize(("schedule", "parameterization", "variance"), CASES)
def test_any_image_comes_back_exactly_from_any_model(schedule: str, parameterization: str, variance: str) -> None:
    d = random_denoiser(schedule, parameterization, variance)
    chain = Chain(d, Grid(d.schedule), CPU)
    for x0 in HARD.values():
        stack = full(4000)
        before = stack.words
        chain.encode(stack, x0)
        assert torch.equal(chain.decode(stack, tuple(x0.shape)), x0)
        assert np.array_equal(stack.words, before)


@pytest.mark.parametrize("portable", [False, True])
@pytest.mark.parametrize("variance", VARIANCES)
def test_a_hundred_coloured_images_of_noise_come_back_exactly(variance: str, portable: bool) -> None:
    d = random_denoiser("cosine", "v", variance, channels=3)
    rounding = Rounding()
    stack = full(100_000)
    before = stack.words
    x0 = torch.randint(0, 256, (100, 3, 8, 8), generator=torch.Generator().manual_seed(3)).to(torch.uint8)
    Chain(d, Grid(d.schedule), CPU, Rounded(rounding) if portable else Exact()).encode(stack, x0)
    decoder = Chain(d, Grid(d.schedule), CPU, Rounded(Rounding(rounding.ties)) if portable else Exact())
    assert torch.equal(decoder.decode(stack, tuple(x0.shape)), x0)
    assert np.array_equal(stack.words, before)


def test_rounded_gaussians_cost_a_thousandth_more_at_most() -> None:
    d = exact(cosine(12))
    x0 = toy_data(64)
    bits = []
    for seen in (Exact(), Rounded(Rounding())):
        stack = full()
        before = stack.bits
        Chain(d, Grid(d.schedule), CPU, seen).encode(stack, x0)
        bits.append(stack.bits - before)
    assert bits[1] / bits[0] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(("gap", "ratio"), [(0.3, 1.0), (1.0, 1.0), (0.0, 1.5), (2.0, 1.2)])
def test_the_divergence_on_the_grid_is_the_continuous_one_to_a_thousandth(gap: float, ratio: float) -> None:
    """KL(N(0, 1) ‖ N(gap, ratio²)), the first as its table, the second as its mass in each cell of the grid."""
    noise = Noise(FINENESS)
    q = torch.from_numpy(noise.probabilities / noise.probabilities.sum())
    edges = (torch.arange(-noise.half, noise.half + 2, dtype=torch.float64) - 0.5) / FINENESS
    low, high = ((each - gap) / ratio for each in (edges[:-1], edges[1:]))
    low, high = torch.where(low + high > 0, -high, low), torch.where(low + high > 0, -low, high)  # Φ(z) rounds to 1
    p = (torch.erfc(-high / math.sqrt(2)) - torch.erfc(-low / math.sqrt(2))) / 2
    continuous = math.log(ratio) + (1 + gap**2) / (2 * ratio**2) - 0.5
    assert float((q * (q / p).log()).sum()) == pytest.approx(continuous, rel=1e-3)


def test_images_cost_the_bound() -> None:
    """The realised rate scatters around the bound: here by 4 standard errors of 64 estimates of it at most."""
    d = random_denoiser("cosine", "v", "fixed_small")
    x0 = toy_data(64)
    stack = full()
    before = stack.bits
    Chain(d, Grid(d.schedule), CPU).encode(stack, x0)
    generator = torch.Generator().manual_seed(0)
    bound = variational_bound(d, images.to_signed(x0), noise=lambda t: torch.randn(x0.shape, generator=generator))
    expected = bound.total * x0[0].numel()
    error = float(expected.std()) / math.sqrt(len(x0))
    assert abs((stack.bits - before) / len(x0) - float(expected.mean())) < 4 * error + 1e-3 * float(expected.mean())


def test_a_stack_that_is_too_small_to_begin_with_says_so() -> None:
    d = exact(cosine(12))
    with pytest.raises(ExhaustedError):
        Chain(d, Grid(d.schedule), CPU).encode(full(100), toy_data(8))


def test_the_grid_is_fine_against_every_gaussian_of_the_chain() -> None:
    for schedule in SCHEDULES.values():
        table = schedule(30)
        step = Grid(table).step
        for t in range(1, 31):
            assert step[t] <= float(table.beta[t].sqrt()) / 31.9
            assert t == 30 or step[t] <= float(table.beta_tilde[t + 1].sqrt()) / 31.9
