"""With Gaussian data and the best network, every chain is x_{t−1} = A_t x_t + b_t + σ_t z, known in closed form.

The chain's own A_t, b_t, σ_t are read off the real `sampler.step` by probing it (it is affine in x and in the noise);
the expected ones come from conditioning two Gaussians (ancestral) and from DDIM Eq. 12 and 16 in plain floats. Mean and
variance are then propagated from N(0, 1) at T down to 0, with no Monte Carlo anywhere.
"""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from diffusion_cases import STEPS, denoiser, end_of, normal, pairs
from gaussian_data import GaussianData

from alphabar.diffusion import (
    DDIM,
    FIXED_LARGE,
    FIXED_SMALL,
    PARAMETERIZATIONS,
    SCHEDULES,
    VARIANCES,
    Ancestral,
    NoiseSchedule,
    ReverseVariance,
    cosine,
    linear,
    reverse_process,
)
from covering import covering

DATA = GaussianData()
ROWS = {"full": range(1, STEPS + 1), "respaced": [1, 3, 4, 10, 22, 37, 50]}
PROBES = torch.tensor([[0, 0], [1, 0], [0, 1], [-2.5, 3]], dtype=torch.float64)  # (x, noise)
Affine = tuple[float, float, float]

FIXED = {
    "fixed_small": lambda a, a_prev: (1 - a / a_prev) * (1 - a_prev) / (1 - a),
    "fixed_large": lambda a, a_prev: 1 - a / a_prev,
}
"""σ_t² of DDPM §3.2."""


def probed(sampler, d, t: int) -> Affine:
    """(A, b, σ) of the real step, after checking that it is affine."""
    x, z = (column.reshape(-1, 1, 1, 1) for column in PROBES.T)
    y = sampler.step(d, x, t, (), lambda _: z).x.flatten().tolist()
    slope, bias, sigma = y[1] - y[0], y[0], y[2] - y[0]
    assert y[3] == pytest.approx(slope * -2.5 + bias + sigma * 3, abs=1e-9)
    return slope, bias, sigma


def ancestral(variance: str, a: float, a_prev: float) -> Affine:
    """The mean of q(x_{t−1} | x_t), which the best network knows, and the chosen σ_t; no noise on the last step."""
    slope, bias, _ = DATA.reverse(a, a_prev)
    return slope, bias, math.sqrt(FIXED[variance](a, a_prev)) if a_prev < 1 else 0.0


def ddim(eta: float, a: float, a_prev: float) -> Affine:
    """DDIM Eq. 12 with σ of Eq. 16."""
    (x0_slope, x0_bias), (eps_slope, eps_bias) = DATA.expected_x0(a), DATA.expected_eps(a)
    sigma = eta * math.sqrt((1 - a_prev) / (1 - a)) * math.sqrt(1 - a / a_prev)
    signal, direction = math.sqrt(a_prev), math.sqrt(max(0.0, 1 - a_prev - sigma**2))
    return signal * x0_slope + direction * eps_slope, signal * x0_bias + direction * eps_bias, sigma


def check(sampler, d, expected) -> tuple[float, float]:
    """Every step and every moment of the chain; returns the mean and the variance of x_0."""
    a = d.schedule.alpha_bar.tolist()
    ours = theirs = (0.0, 1.0)
    for t in range(d.schedule.T, 0, -1):
        real, formula = probed(sampler, d, t), expected(a[t], a[t - 1])
        assert real == pytest.approx(formula, rel=1e-9, abs=1e-10)
        ours = (real[0] * ours[0] + real[1], real[0] ** 2 * ours[1] + real[2] ** 2)
        theirs = (formula[0] * theirs[0] + formula[1], formula[0] ** 2 * theirs[1] + formula[2] ** 2)
        assert ours == pytest.approx(theirs, rel=0, abs=1e-10)
    return ours


def gaussian_denoiser(schedule: NoiseSchedule, parameterization: str, variance: ReverseVariance, data=DATA):
    return denoiser(schedule, parameterization, variance, data.network(schedule, parameterization))


@covering(
    {
        "schedule, parameterization": pairs(),
        "variance": [name for name in VARIANCES if not VARIANCES[name].learned],
        "rows": ROWS,
    }
)
def test_ancestral_sampling(schedule, parameterization, variance, rows):
    assert variance in FIXED, f"write down what σ_t² '{variance}' is"
    d = gaussian_denoiser(SCHEDULES[schedule](STEPS), parameterization, VARIANCES[variance]).respaced(ROWS[rows])
    check(Ancestral(), d, lambda a, a_prev: ancestral(variance, a, a_prev))


@covering({"schedule, parameterization": pairs(), "eta": [0, 0.5, 1], "rows": ROWS})
def test_ddim(schedule, parameterization, eta, rows):
    d = gaussian_denoiser(SCHEDULES[schedule](STEPS), parameterization, FIXED_SMALL).respaced(ROWS[rows])
    check(DDIM(eta), d, lambda a, a_prev: ddim(eta, a, a_prev))


@pytest.mark.parametrize("parameterization", PARAMETERIZATIONS)
def test_a_network_trained_on_a_short_chain_and_shortened_again(parameterization):
    """The network's own chain is the one that it was trained on, which need not be the longest."""
    chain = replace(cosine(STEPS).respace(range(2, STEPS + 1, 2)), full=None)  # its own, not a part of a longer one
    trained = gaussian_denoiser(chain, parameterization, FIXED_SMALL)
    for d in (trained, trained.respaced([1, 5, 6, 20, 25]), trained.respaced(range(1, 26, 4)).respaced([2, 3, 7])):
        check(Ancestral(), d, lambda a, a_prev: ancestral("fixed_small", a, a_prev))


def moments_at_every_level(d, start: tuple[float, float]) -> list[tuple[float, float]]:
    """(mean, variance) at T, T − 1, ..., 0 under ancestral sampling."""
    chain = [start]
    for t in range(d.schedule.T, 0, -1):
        slope, bias, sigma = probed(Ancestral(), d, t)
        mean, variance = chain[-1]
        chain.append((slope * mean + bias, slope**2 * variance + sigma**2))
    return chain


@pytest.mark.parametrize("schedule, parameterization", pairs())
def test_with_the_true_reverse_variance_every_level_has_the_true_marginal(schedule, parameterization):
    schedule = SCHEDULES[schedule](STEPS)
    a = schedule.alpha_bar.tolist()
    table = torch.tensor(
        [0.0, *(math.log(DATA.reverse(now, prev)[2]) for prev, now in pairwise(a))], dtype=torch.float64
    )
    true = ReverseVariance("true", False, lambda schedule, x_t, t, raw: table[t])
    chain = moments_at_every_level(gaussian_denoiser(schedule, parameterization, true), DATA.marginal(a[-1]))
    for alpha_bar, moments in zip(a[:0:-1], chain, strict=False):  # T..1; the last step adds no noise
        assert moments == pytest.approx(DATA.marginal(alpha_bar), rel=0, abs=1e-10)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("variance, std", [(FIXED_LARGE, 1.0), (FIXED_SMALL, 0.0)], ids=["large", "small"])
def test_the_two_fixed_variances_are_optimal_for_the_two_extremes_of_data(name, variance, std):
    """DDPM §3.2: β_t for x_0 ~ N(0, 1), β̃_t for x_0 a single point; then every level has its true marginal."""
    data, schedule = GaussianData(mean=0.0 if std else 0.3, std=std), SCHEDULES[name](STEPS)
    a = schedule.alpha_bar.tolist()
    chain = moments_at_every_level(gaussian_denoiser(schedule, "v", variance, data), data.marginal(a[-1]))
    for alpha_bar, moments in zip(a[:0:-1], chain, strict=False):
        assert moments == pytest.approx(data.marginal(alpha_bar), rel=0, abs=1e-10)


def test_fixed_small_is_too_narrow_and_fixed_large_too_wide_on_a_short_chain():
    short = cosine(1000).respace(range(100, 1001, 100))
    (_, small), (_, large) = (
        check(Ancestral(), gaussian_denoiser(short, "v", v), lambda a, b, v=v: ancestral(v.name, a, b))
        for v in (FIXED_SMALL, FIXED_LARGE)
    )
    assert small < DATA.std**2 < large


@pytest.mark.parametrize("sampler", [Ancestral(), DDIM(0.0), DDIM(0.5)], ids=repr)
def test_the_whole_loop_draws_from_the_predicted_distribution(sampler):
    """End to end through reverse_process, in float32, 40 000 images: mean and variance to 5 sigma."""
    schedule, count = linear(STEPS), 40_000
    d = gaussian_denoiser(schedule, "eps", FIXED_LARGE)
    mean, variance = check(
        sampler,
        d,
        (lambda a, b: ancestral("fixed_large", a, b))
        if isinstance(sampler, Ancestral)
        else (lambda a, b: ddim(sampler.eta, a, b)),
    )
    generator = torch.Generator().manual_seed(0)
    noise = lambda x: torch.randn(x.shape, generator=generator)  # noqa: E731
    last = end_of(reverse_process(sampler, d, normal(count, 5, (1, 1, 1)).float(), noise=noise))
    assert float(last.x.mean()) == pytest.approx(mean, abs=5 * math.sqrt(variance / count))
    assert float(last.x.var()) == pytest.approx(variance, rel=5 * math.sqrt(2 / count))


def test_the_model_of_the_test_is_right():
    """Conditioning against brute force: regress x_{t−1} and x_0 on x_t over a million draws."""
    rng = np.random.default_rng(0)
    a, a_prev = 0.3, 0.5
    x0 = DATA.mean + DATA.std * rng.standard_normal(1_000_000)
    prev = math.sqrt(a_prev) * x0 + math.sqrt(1 - a_prev) * rng.standard_normal(len(x0))
    x_t = math.sqrt(a / a_prev) * prev + math.sqrt(1 - a / a_prev) * rng.standard_normal(len(x0))
    eps = (x_t - math.sqrt(a) * x0) / math.sqrt(1 - a)
    for target, predicted in (
        (prev, DATA.reverse(a, a_prev)[:2]),
        (x0, DATA.expected_x0(a)),
        (eps, DATA.expected_eps(a)),
    ):
        np.testing.assert_allclose(np.polyfit(x_t, target, 1), predicted, atol=5e-3)
    residual = prev - np.polyval(DATA.reverse(a, a_prev)[:2], x_t)
    assert residual.var() == pytest.approx(DATA.reverse(a, a_prev)[2], rel=1e-2)
