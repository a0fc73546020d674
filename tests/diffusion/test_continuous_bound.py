"""The continuous bound: the limit of long chains, without bias, known in closed form on Gaussian data."""

import math
from dataclasses import replace

import pytest
import torch
from gaussian_data import GaussianData

from alphabar.diffusion import FIXED_SMALL, PARAMETERIZATIONS, SCHEDULES, Denoiser, log_snr, variational_bound
from alphabar.diffusion.continuous_bound import at_levels, diffusion_term, log_snr_ends
from alphabar.diffusion.errors import DiffusionError

DATA = GaussianData(mean=0.1, std=0.4)
FIRST, LAST = 6.0, -5.0


def best(schedule, parameterization: str) -> Denoiser:
    """The best denoiser of Gaussian data at any level: it reads the level off the time, which is linear in log-SNR."""
    T = schedule.T

    def network(x, time):
        level = FIRST + (LAST - FIRST) * time / (T - 1)
        alpha_bar = torch.sigmoid(level.double()).reshape(-1, 1, 1, 1)
        signal, noise = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
        variance = alpha_bar * DATA.std**2 + 1 - alpha_bar
        eps = noise / variance * (x - signal * DATA.mean)
        x0 = (x - noise * eps) / signal
        return {"eps": eps, "x0": x0, "v": signal * eps - noise * x0}[parameterization]

    return Denoiser(network, schedule, PARAMETERIZATIONS[parameterization], FIXED_SMALL)


def integral() -> float:
    """½ ∫ E(ε − ε̂)² dλ in bits: the variance of ε given x is ᾱ s² / (ᾱ s² + 1 − ᾱ) = sigmoid(λ + log s²)."""
    softplus = lambda z: math.log1p(math.exp(-abs(z))) + max(z, 0.0)  # noqa: E731
    shift = 2 * math.log(DATA.std)
    return 0.5 * (softplus(FIRST + shift) - softplus(LAST + shift)) / math.log(2)


def estimate(denoiser: Denoiser, images: int = 2000, parts: int = 50) -> tuple[float, float]:
    """Mean and standard error of the term over images, one level in each part of the range."""
    torch.manual_seed(0)
    x0 = DATA.mean + DATA.std * torch.randn(images, 1, 4, 4, dtype=torch.float64)
    total = torch.zeros(images, dtype=torch.float64)
    for k in range(parts):
        levels = FIRST + (LAST - FIRST) * (k + torch.rand(images, dtype=torch.float64)) / parts
        total += diffusion_term(denoiser, x0, levels, torch.randn_like(x0)) / parts
    return float(total.mean()), float(total.std()) / math.sqrt(images)


@pytest.mark.parametrize("parameterization", ["eps", "x0", "v"])
@pytest.mark.parametrize("T", [2, 50])
def test_the_estimate_is_the_integral_whatever_the_length_of_the_chain(parameterization, T):
    value, error = estimate(best(log_snr(T, FIRST, LAST), parameterization))
    assert error < 0.01 and abs(value - integral()) < 4 * error


def test_the_terms_of_a_chain_of_2000_steps_are_near_the_integral_and_those_of_a_short_one_above_it():
    torch.manual_seed(1)
    x0 = DATA.mean + DATA.std * torch.randn(64, 1, 8, 8, dtype=torch.float64)

    def rate(T: int) -> float:
        bound = variational_bound(best(log_snr(T, FIRST, LAST), "eps"), x0, noise=lambda t: torch.randn_like(x0))
        return float((bound.rate - bound.prior).mean())

    assert abs(rate(2000) - integral()) < 0.02
    assert rate(10) > 1.15 * integral()


def test_a_level_of_the_chain_has_the_time_of_its_step_and_one_between_lies_between():
    denoiser = best(SCHEDULES["cosine"](20), "eps")
    levels = 2 * denoiser.schedule.half_log_snr[1:]
    at = at_levels(denoiser, levels)
    torch.testing.assert_close(at.times[1:], torch.arange(20.0, dtype=torch.float64))
    torch.testing.assert_close(at.schedule.alpha_bar[1:], denoiser.schedule.alpha_bar[1:])
    middle = at_levels(denoiser, (levels[:1] + levels[1:2]) / 2)
    assert float(middle.times[1]) == pytest.approx(0.5)


@pytest.mark.parametrize("change, said", [
    ({"parameterization": PARAMETERIZATIONS["mu"]}, "'mu' depends on the steps"),
    ({"schedule": SCHEDULES["jsd"](20), "parameterization": PARAMETERIZATIONS["v"]}, "does not end at"),
    ({"schedule": SCHEDULES["cosine"](20).respace([1, 20])}, "trained on"),
])  # fmt: skip
def test_a_chain_without_a_continuous_bound_is_a_sentence(change, said):
    with pytest.raises(DiffusionError, match=said):
        log_snr_ends(replace(best(log_snr(20, FIRST, LAST), "eps"), **change))
