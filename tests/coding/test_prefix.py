"""x_k of a lossy file: its noise is as q says, its rate what a Gaussian chain must have, and y comes back."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

pytest.importorskip("constriction", reason="needs the extra `compression`")

from test_chain import CPU, HARD, MEAN, STD, exact, full, random_denoiser, toy_data

from alphabar import images
from alphabar.coding.chain import Chain
from alphabar.coding.dither import Dither, shared
from alphabar.coding.grid import Grid
from alphabar.coding.prefix import APART, Quantised, left, level_of, levels
from alphabar.coding.restore import restored, sample
from alphabar.diffusion import SCHEDULES, Denoiser, cosine
from alphabar.diffusion.spacing import half_log_snr

UNIFORM_NOISE = 0.5 * math.log2(2 * math.pi * math.e / 12)
"""How many bits a Gaussian's entropy is above that of the uniform distribution with its variance."""


def prefix(d: Denoiser, k: int, numbers: range) -> Chain:
    part = d.respaced(levels(d.schedule, k))
    grid = Grid(part.schedule)
    return Chain(part, grid, CPU, bottom=Quantised(Dither.at(d.schedule, k), grid, numbers))


def fine() -> Denoiser:
    """The exact denoiser of a chain of 25 steps."""
    d = exact(cosine(1000))
    return d.respaced(half_log_snr(d.schedule, 25))


def cost(d: Denoiser, k: int, x0: Tensor) -> float:
    """Bits per value that the coder took."""
    numbers, stack = range(len(x0)), full(800_000)
    before = stack.bits
    prefix(d, k, numbers).encode(stack, Dither.at(d.schedule, k).quantised(x0, numbers))
    return (stack.bits - before) / x0.numel()


def derived(d: Denoiser, k: int) -> float:
    """I(x_0; x_k) of the Gaussian channel + UNIFORM_NOISE + E log2 Z, where Z(x_j, u) = D Σ_y p(x_k = D (y − u) | x_j)
    is what the points have of the density; without a level j, p(x_k) = N(0, 1). By a sum over u and y and samples of
    the noise between x_k and x_j.
    """
    schedule, rows = d.schedule, levels(d.schedule, k)
    dither, alpha_bar = Dither.at(schedule, k), schedule.alpha_bar.numpy()
    u = np.tile((np.arange(200) + 0.5) / 200 - 0.5, 100)
    generator = np.random.default_rng(0)
    signal = dither.signal * np.clip(MEAN + STD * generator.normal(size=len(u)), -1, 1)
    x_k = dither.step * (np.rint(signal / dither.step + u) - u)
    variance = alpha_bar[k] * STD**2 + 1 - alpha_bar[k]  # of x_k
    points = dither.step * (dither.lowest(u)[:, None] + np.arange(dither.count) - u[:, None])
    if len(rows) == 1:
        mean, spread = np.zeros(len(u)), 1.0
        gap = 0.5 * (variance + alpha_bar[k] * MEAN**2 - 1 - math.log(variance)) / math.log(2)  # KL from N(0, 1)
    else:
        ratio = alpha_bar[rows[1]] / alpha_bar[k]
        x_j = math.sqrt(ratio) * x_k + math.sqrt(1 - ratio) * generator.normal(size=len(u))
        gain = math.sqrt(ratio) * variance / (ratio * variance + 1 - ratio)
        centre = dither.signal * MEAN
        mean, spread = centre + gain * (x_j - math.sqrt(ratio) * centre), variance * (1 - gain * math.sqrt(ratio))
        gap = 0.0
    density = np.exp(-((points - mean[:, None]) ** 2) / (2 * spread)) / math.sqrt(2 * math.pi * spread)
    rate = 0.5 * math.log2(variance / (1 - alpha_bar[k]))
    return rate + gap + UNIFORM_NOISE + float(np.log2(dither.step * density.sum(1)).mean())


@pytest.mark.parametrize("k", [3, 6, 10, 25])
def test_an_exact_chain_has_the_derived_rate(k: int) -> None:
    d = fine()
    expected, error = derived(d, k), 0.3 / math.sqrt(65_536)  # without signal, the bits of a value scatter by 0.3
    assert cost(d, k, toy_data(256)) == pytest.approx(expected, rel=0.01, abs=3 * error)


@pytest.mark.parametrize(("k", "more"), [(3, UNIFORM_NOISE), (6, UNIFORM_NOISE), (25, 0.104)])
def test_uniform_noise_costs_a_quarter_of_a_bit_more_than_gaussian_noise_and_less_without_signal(k, more) -> None:
    d = fine()
    alpha_bar = float(d.schedule.alpha_bar[k])
    gaussian = 0.5 * math.log2(1 + alpha_bar * STD**2 / (1 - alpha_bar))
    assert derived(d, k) == pytest.approx(gaussian + more, abs=0.02)


@pytest.mark.parametrize("k", [3, 12, 25])
def test_the_noise_has_the_moments_of_q_and_is_independent_of_the_image(k: int) -> None:
    d, x0 = fine(), toy_data(256)
    dither, numbers = Dither.at(d.schedule, k), range(len(x0))
    x_k = dither.value(dither.quantised(x0, numbers), numbers)
    noise = x_k - dither.signal * images.to_signed(x0).double()
    variance, n = 1 - float(d.schedule.alpha_bar[k]), x0.numel()
    assert noise.abs().max() <= dither.step / 2 * (1 + 1e-9)
    assert abs(float(noise.mean())) < 4 * math.sqrt(variance / n)
    assert float(noise.var()) == pytest.approx(variance, rel=4 * math.sqrt(0.8 / n))
    for of_image, of_noise in [(x0, noise), (x0, noise**2), ((x0.double() - 128) ** 2, noise**2)]:
        correlation = np.corrcoef(of_image.flatten().double(), of_noise.flatten())[0, 1]
        assert abs(correlation) < 4 / math.sqrt(n)


def test_what_is_shared_is_uniform_and_another_for_each_image() -> None:
    u = shared(range(40), 1000)
    assert u.min() >= -0.5 and u.max() < 0.5
    assert np.abs(np.histogram(u, 20, (-0.5, 0.5))[0] - 2000).max() < 5 * math.sqrt(2000)
    assert np.array_equal(shared(range(7, 9), 1000), u[7000:9000])
    assert len(np.unique(u)) == len(u)


@pytest.mark.parametrize(("schedule", "parameterization", "variance"), [
    ("linear", "eps", "learned_range"), ("cosine", "v", "fixed_small"), ("cosine", "x0", "fixed_large"),
])  # fmt: skip
@pytest.mark.parametrize("k", [1, 2, 10, 24, 25])
def test_y_comes_back_exactly_from_any_model_and_level(schedule, parameterization, variance, k) -> None:
    d = random_denoiser(schedule, parameterization, variance)
    for x0 in HARD.values():
        numbers, stack = range(5, 5 + len(x0)), full(8000)
        coder, y, before = prefix(d, k, numbers), Dither.at(d.schedule, k).quantised(x0, numbers), stack.words
        coder.encode(stack, y)
        assert torch.equal(coder.decode(stack, tuple(y.shape)), y)
        assert np.array_equal(stack.words, before)


def test_every_y_of_an_image_is_among_those_that_are_counted() -> None:
    for schedule in SCHEDULES.values():
        table = schedule(30)
        for k in range(1, 31):
            dither, numbers = Dither.at(table, k), range(2)
            for level in (0, 255):
                y = dither.quantised(torch.full((2, 1, 20, 20), level, dtype=torch.uint8), numbers).flatten().numpy()
                index = y - dither.lowest(shared(numbers, 400))
                assert index.min() >= 0 and index.max() < dither.count


@pytest.mark.parametrize("k", [4, 8, 12])
def test_the_error_is_the_distortion_of_the_chain(k: int) -> None:
    """x̂_0 of Gaussian data is linear, so its error depends on the variance of the noise alone."""
    d, x0 = fine(), toy_data(256)
    dither, numbers = Dither.at(d.schedule, k), range(len(x0))
    y = dither.quantised(x0, numbers)
    error = restored(d, y, k, numbers, CPU).double() - x0.double()
    alpha_bar = float(d.schedule.alpha_bar[k])
    mse = 127.5**2 / (1 / STD**2 + alpha_bar / (1 - alpha_bar)) + 1 / 12  # of grey levels, which are rounded
    assert float(error.square().mean()) == pytest.approx(mse, rel=0.02)
    x_k = dither.value(y, numbers).float()
    filled = sample(d, x_k, k, numbers)
    assert float((filled.double() - images.to_signed(x0).double()).square().mean()) > 1.5 * mse / 127.5**2


def test_levels_begin_with_k_and_go_on_where_the_noise_hides_the_points() -> None:
    for schedule in SCHEDULES.values():
        table = schedule(50)
        alpha_bar = table.alpha_bar.tolist()
        for k in range(1, 51):
            rows = levels(table, k)
            assert rows[0] == k
            if len(rows) > 1:
                j = rows[1]
                assert rows[1:] == list(range(j, 51))
                assert alpha_bar[k] / max(alpha_bar[j], 1e-300) - 1 >= APART * (1 - alpha_bar[k]) * (1 - 1e-9)
                assert j == k + 1 or alpha_bar[k] / alpha_bar[j - 1] - 1 < APART * (1 - alpha_bar[k])


def test_the_level_leaves_no_more_noise_than_is_allowed() -> None:
    table = cosine(50)
    noise = left(table)
    for allowed in (0.0, 5.0, 30.0, 1e9, math.inf):
        k = level_of(table, allowed)
        assert noise[k] <= allowed and (k == table.T or noise[k + 1] > allowed)
