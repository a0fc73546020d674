"""The probability-flow ODE: its field, its divergence and its likelihood, on data whose density is known.

The network of these tests is told a fractional time, finds ᾱ there by an interpolation of its own (numpy's, linear in
log σ over t, which is what `flow_time` inverts), and answers with the exact conditional mean. The solver is a classical
Runge–Kutta of fourth order on a geometric grid of σ, written here.
"""

import math
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
from diffusion_cases import normal
from gaussian_data import GaussianData

from alphabar.diffusion import (
    FIXED_SMALL,
    LEARNED_RANGE,
    MU,
    PARAMETERIZATIONS,
    Denoiser,
    NoiseSchedule,
    clip,
    cosine,
    linear,
)
from alphabar.diffusion.probability_flow import (
    every_pixel,
    flow,
    flow_and_divergence,
    flow_ends,
    flow_log_density,
    flow_time,
)
from alphabar.diffusion.schedules import jsd

DATA = GaussianData()
SHAPE = (1, 2, 3)
CHAINS = {"linear": linear(1000), "cosine": cosine(1000), "short linear": linear(1000).respace([10, 200, 1000])}
READINGS = ["eps", "x0", "v"]


def runge_kutta(f, state, ends, steps: int = 200):
    """Integrate a tuple of tensors from ends[0] to ends[1]."""
    add = lambda state, rate, h: tuple(s + h * r for s, r in zip(state, rate, strict=True))  # noqa: E731
    grid = torch.exp(torch.linspace(math.log(ends[0]), math.log(ends[1]), steps + 1, dtype=torch.float64))
    for start, stop in pairwise(grid):
        h = float(stop - start)
        k1 = f(start, state)
        k2 = f(start + h / 2, add(state, k1, h / 2))
        k3 = f(start + h / 2, add(state, k2, h / 2))
        k4 = f(stop, add(state, k3, h))
        for k, weight in ((k1, 1), (k2, 2), (k3, 2), (k4, 1)):
            state = add(state, k, h * weight / 6)
    return state


def alpha_bar_at(schedule: NoiseSchedule, time: float) -> float:
    """ᾱ of the network's chain at a 0-based fractional time."""
    full = schedule.full or schedule
    log_sigma = -full.half_log_snr[1:].numpy()
    return 1 / (1 + math.exp(2 * np.interp(time + 1, full.timesteps[1:].numpy(), log_sigma)))


def said(parameterization: str, a: float, x: torch.Tensor, x0: torch.Tensor) -> torch.Tensor:
    """What a network means to say with x̂_0."""
    eps = (x - a**0.5 * x0) / (1 - a) ** 0.5
    return {"x0": x0, "eps": eps, "v": a**0.5 * eps - (1 - a) ** 0.5 * x0}[parameterization]


def gaussian(schedule: NoiseSchedule, parameterization: str, data=DATA) -> Denoiser:
    """The best network of Gaussian data, at any time."""

    def network(x, time):
        a = alpha_bar_at(schedule, float(time[0]))
        slope, bias = data.expected_x0(a)
        return said(parameterization, a, x, slope * x + bias)

    return Denoiser(network, schedule, PARAMETERIZATIONS[parameterization], FIXED_SMALL)


def mixture(schedule: NoiseSchedule, means: torch.Tensor, std: float) -> Denoiser:
    """The best network of images drawn from equal Gaussians of width `std` around `means` (K, C, H, W): pixels mix."""

    def network(x, time):
        a = alpha_bar_at(schedule, float(time[0]))
        variance = a * std**2 + 1 - a
        gap = x[:, None] - a**0.5 * means
        weight = (-gap.square().flatten(2).sum(2) / (2 * variance)).softmax(1)
        centre = torch.einsum("bk,kchw->bchw", weight, means)
        slope = a**0.5 * std**2 / variance
        return said("x0", a, x, centre + slope * (x - a**0.5 * centre))

    return Denoiser(network, schedule, PARAMETERIZATIONS["x0"], FIXED_SMALL)


def log_normal(x: torch.Tensor, mean: float | torch.Tensor, variance: float) -> torch.Tensor:
    return (-0.5 * ((x - mean) ** 2 / variance + math.log(2 * math.pi * variance))).flatten(1).sum(1)


def exact_flow(schedule: NoiseSchedule, x_1: torch.Tensor) -> tuple[torch.Tensor, float]:
    """(x_T, log |dx_T/dx_1|) of Gaussian data: x̄_T = m + (x̄_1 − m) √((s² + σ_T²)/(s² + σ_1²))."""
    first, last = flow_ends(schedule)
    stretch = math.sqrt((DATA.std**2 + last**2) / (DATA.std**2 + first**2))
    x_bar = DATA.mean + (x_1 * math.sqrt(1 + first**2) - DATA.mean) * stretch
    slope = stretch * math.sqrt((1 + first**2) / (1 + last**2))
    return x_bar / math.sqrt(1 + last**2), x_1[0].numel() * math.log(slope)


@pytest.mark.parametrize(
    "parameterization, name",
    [
        pytest.param(parameterization, name, marks=() if (i + k) % 3 == 0 else pytest.mark.heavy)
        for i, parameterization in enumerate(READINGS)
        for k, name in enumerate(CHAINS)
    ],
)
def test_the_likelihood_of_gaussian_data_is_its_density(name, parameterization):
    """log N(x_1; √ᾱ_1 m, ᾱ_1 s² + 1 − ᾱ_1), once N(0, I) at the end is replaced by what is there. For the cosine
    schedule, whose ᾱ_T is 2e-9, within 0.1 % as it is; the linear one leaves √ᾱ_T m = 0.002, which shows."""
    schedule = CHAINS[name]
    first, last = flow_ends(schedule)
    x_1 = DATA.mean + DATA.std * normal(4, shape=SHAPE)
    ours = flow_log_density(gaussian(schedule, parameterization), x_1, every_pixel(x_1), runge_kutta)
    exact = log_normal(x_1, *DATA.marginal(1 / (1 + first**2)))
    if name == "cosine":
        torch.testing.assert_close(ours, exact, rtol=1e-3, atol=0)
    x_T, _ = exact_flow(schedule, x_1)
    there = log_normal(x_T, *DATA.marginal(1 / (1 + last**2)))
    torch.testing.assert_close(ours - log_normal(x_T, 0, 1) + there, exact, rtol=0, atol=5e-5)


def test_its_error_is_the_solvers():
    """Of fourth order, down to 1e-6: nothing in the field is coarser than double precision."""
    schedule, x_1, steps = cosine(1000), DATA.mean + DATA.std * normal(2, shape=SHAPE), [100, 200, 400]
    x_T, log_slope = exact_flow(schedule, x_1)
    exact = log_normal(x_T, 0, 1) + log_slope
    probes = torch.ones(1, *x_1.shape, dtype=torch.float64)  # each pixel for itself, so signs are exact here
    solved = [flow_log_density(gaussian(schedule, "eps"), x_1, probes, partial(runge_kutta, steps=k)) for k in steps]
    errors = [float((value - exact).abs().max()) for value in solved]
    order = -np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert order == pytest.approx(4, abs=0.1) and errors[-1] < 2e-6, errors


@pytest.mark.parametrize("name, tolerance", [("cosine", 1e-3), ("linear", 1e-2)])
def test_the_likelihood_of_a_mixture_is_its_density(name, tolerance):
    """Pixels that depend on each other, and paths that bend."""
    schedule, std = CHAINS[name], 0.3
    means = 0.8 * normal(3, 5, SHAPE)
    x_1 = means[[0, 1, 2, 0]] + std * normal(4, shape=SHAPE)
    ours = flow_log_density(mixture(schedule, means, std), x_1, every_pixel(x_1), runge_kutta)
    a = float(schedule.alpha_bar[1])
    parts = torch.stack([log_normal(x_1, a**0.5 * m, a * std**2 + 1 - a) for m in means])
    torch.testing.assert_close(ours, parts.logsumexp(0) - math.log(3), rtol=0, atol=tolerance)


@pytest.mark.parametrize("sigma", [0.02, 0.4, 3.0])
def test_the_probes_of_every_pixel_give_the_trace_and_signs_give_it_on_average(sigma):
    """The Jacobian of the mixture is not diagonal: single signs are off, all 2⁶ of them are right on average."""
    d = mixture(linear(1000), 0.8 * normal(3, 5, SHAPE), 0.3)
    x_bar = normal(2, shape=SHAPE)
    jacobian = torch.autograd.functional.jacobian(lambda x: flow(d, x, sigma), x_bar).reshape(2, 6, 2, 6)
    trace = torch.stack([jacobian[k, :, k].trace() for k in range(2)])
    drift, exact = flow_and_divergence(d, x_bar, sigma, every_pixel(x_bar))
    torch.testing.assert_close(exact, trace, rtol=1e-10, atol=1e-12)
    assert torch.equal(drift, flow(d, x_bar, sigma)) and not drift.requires_grad

    signs = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 6).reshape(64, 1, *SHAPE)
    signs = signs.expand(64, 2, *SHAPE)
    torch.testing.assert_close(flow_and_divergence(d, x_bar, sigma, signs)[1], trace, rtol=1e-10, atol=1e-12)
    singles = torch.stack([flow_and_divergence(d, x_bar, sigma, z[None])[1] for z in signs])
    assert float(singles.std(0).min()) > 0


def test_normal_probes_are_unbiased_too():
    d, x_bar = gaussian(linear(1000), "x0"), normal(1, shape=SHAPE)
    exact = flow_and_divergence(d, x_bar, 0.5, every_pixel(x_bar))[1]
    each = torch.stack([flow_and_divergence(d, x_bar, 0.5, normal(1, k, SHAPE)[None])[1] for k in range(400)])
    assert float(each.mean()) == pytest.approx(float(exact), abs=5 * float(each.std()) / 20)


@pytest.mark.parametrize("parameterization", READINGS)
@pytest.mark.parametrize("schedule", [linear(1000), cosine(1000)], ids=["linear", "cosine"])
def test_at_the_chains_own_levels_the_field_is_the_denoisers_eps(schedule, parameterization):
    d, x = gaussian(schedule, parameterization), normal(3, shape=SHAPE)
    for t in (1, 2, 500, 999, 1000):
        sigma = float((-schedule.half_log_snr[t]).exp())
        torch.testing.assert_close(flow(d, x * math.sqrt(1 + sigma**2), sigma), d(x, t).eps, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("time_scale", [1.0, 0.25])
def test_the_network_is_told_a_fractional_time_that_inverts_the_table(time_scale):
    told = []
    schedule = cosine(4000)
    d = Denoiser(lambda x, time: told.append(time) or x, schedule, PARAMETERIZATIONS["v"], FIXED_SMALL, time_scale)
    log_sigma = -schedule.half_log_snr
    for t, fraction in ((1, 0.0), (1, 0.5), (2000, 0.25), (3999, 0.75), (3999, 1.0)):
        told.clear()
        sigma = math.exp(float(log_sigma[t] + fraction * (log_sigma[t + 1] - log_sigma[t])))
        flow(d, normal(2, shape=SHAPE), sigma)
        assert float(flow_time(schedule, sigma)) == pytest.approx(t + fraction, abs=1e-9)
        (time,) = told
        assert time.shape == (2,) and time.tolist() == pytest.approx([(t + fraction - 1) * time_scale] * 2, abs=1e-9)


def test_time_rises_with_noise_and_stays_within_the_chain():
    first, last = flow_ends(linear(1000))
    sigmas = np.geomspace(first / 3, last * 3, 500)
    times = [float(flow_time(linear(1000), s)) for s in sigmas]
    assert times == sorted(times) and times[0] == 1 and times[-1] == 1000
    assert len(set(times)) > 300


def test_the_flow_of_a_chain_lies_between_its_own_noise_levels():
    for rows in ([1, 1000], [5, 300], [500, 1000], [7]):
        short = linear(1000).respace(rows)
        sigma = (-linear(1000).half_log_snr).exp()
        assert flow_ends(short) == (float(sigma[rows[0]]), float(sigma[rows[-1]]))


def test_every_image_may_have_a_noise_level_of_its_own():
    for name in READINGS:
        d, x = gaussian(linear(1000), name), normal(3, shape=SHAPE)
        levels = torch.tensor([2.0, 0.1, 0.1], dtype=torch.float64)

        def network(x, time, d=d):
            return torch.cat([d.network(x[k : k + 1], time[k : k + 1]) for k in range(len(x))])

        alone = torch.cat([flow(d, x[k : k + 1], levels[k]) for k in range(3)])
        assert torch.equal(flow(replace(d, network=network), x, levels), alone)


def test_a_respaced_denoiser_has_the_flow_of_the_whole_chain():
    d, x = gaussian(linear(1000), "eps"), normal(2, shape=SHAPE)
    short = d.respaced([5, 300])
    assert torch.equal(flow(short, x, 0.7), flow(d, x, 0.7))


def test_a_learned_variance_does_not_matter():
    d, x = gaussian(linear(1000), "eps"), normal(2, shape=SHAPE)
    wide = replace(d, variance=LEARNED_RANGE, network=lambda x, time: torch.cat([d.network(x, time), x], 1))
    assert torch.equal(flow(wide, x, 0.7), flow(d, x, 0.7))


def test_clipping_is_the_denoisers():
    d, x = gaussian(linear(1000), "x0", GaussianData(2.0, 0.4)), normal(2, shape=SHAPE)
    sigma, clipped = 0.7, replace(d, x0_transform=clip)
    x0 = x - sigma * flow(d, x, sigma)  # x̄ = x_0 + σ ε
    torch.testing.assert_close(flow(clipped, x, sigma), (x - x0.clamp(-1, 1)) / sigma, rtol=1e-9, atol=1e-12)
    assert not torch.allclose(flow(clipped, x, sigma), flow(d, x, sigma))


def test_float32_images_stay_float32():
    d, x = gaussian(linear(1000), "eps"), normal(2, shape=SHAPE).float()
    drift, divergence = flow_and_divergence(d, x, 0.7, torch.ones_like(x)[None])
    assert drift.dtype == divergence.dtype == torch.float32


def test_what_has_no_flow_is_refused_in_a_sentence():
    mu = Denoiser(lambda x, time: x, linear(1000), MU, FIXED_SMALL)
    with pytest.raises(ValueError, match="'mu' is undefined"):
        flow(mu, normal(1, shape=SHAPE), 0.7)
    with pytest.raises(ValueError, match="its flow has no end"):
        flow_ends(jsd(1000))


def test_a_chain_of_one_step_has_one_level():
    alone = replace(linear(1000).respace([500]), full=None)
    assert flow_ends(alone)[0] == flow_ends(alone)[1] and flow_time(alone, 1.0) == 500
