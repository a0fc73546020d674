"""The mixture that other tests take for the truth, against quadrature, differentiation and a fine solution."""

import math

import pytest
import torch
from diffusion_cases import denoiser, end_of, no_noise
from mixture_data import MixtureData

from alphabar.diffusion import DDIM, FIXED_SMALL, PARAMETERIZATIONS, cosine, linear, reverse_process

DATA = MixtureData()
LEVELS = [0.9999, 0.8, 0.3, 0.01]
X = torch.linspace(-3, 3, 13, dtype=torch.float64)


def by_quadrature(alpha_bar: float, value) -> torch.Tensor:
    """E[value(x_0, ε) | x_t] at X: Bayes' rule as a sum over a fine grid of x_0."""
    x0 = torch.linspace(-4, 4, 20_001, dtype=torch.float64)
    eps = (X[:, None] - math.sqrt(alpha_bar) * x0) / math.sqrt(1 - alpha_bar)
    weight = torch.softmax(DATA.log_density(x0, 1.0) - eps**2 / 2, dim=1)
    return (weight * value(x0, eps)).sum(1)


@pytest.mark.parametrize("alpha_bar", LEVELS)
def test_conditional_means_are_those_of_bayes_rule(alpha_bar):
    close = lambda ours, value: torch.testing.assert_close(ours, by_quadrature(alpha_bar, value), rtol=0, atol=1e-7)  # noqa: E731
    close(DATA.expected_x0(X, alpha_bar), lambda x0, eps: x0)
    close(DATA.expected_eps(X, alpha_bar), lambda x0, eps: eps)
    prev = alpha_bar**0.5
    alpha, left = alpha_bar / prev, 1 - prev
    mean = lambda x0: (math.sqrt(prev) * (1 - alpha) * x0 + math.sqrt(alpha) * left * X[:, None]) / (1 - alpha_bar)  # noqa: E731
    close(DATA.expected_prev(X, alpha_bar, prev), lambda x0, eps: mean(x0))


@pytest.mark.parametrize("alpha_bar", LEVELS)
def test_eps_is_the_score(alpha_bar):
    """E[ε | x_t] = −√(1 − ᾱ) ∇ log p(x_t)."""
    x = X.clone().requires_grad_()
    (score,) = torch.autograd.grad(DATA.log_density(x, alpha_bar).sum(), x)
    torch.testing.assert_close(DATA.expected_eps(X, alpha_bar), -math.sqrt(1 - alpha_bar) * score)


@pytest.mark.parametrize("alpha_bar", [1.0, *LEVELS])
def test_the_distribution_function_is_the_integral_of_the_density(alpha_bar):
    grid = torch.linspace(-9, 3, 200_001, dtype=torch.float64)
    area = torch.trapezoid(DATA.log_density(grid, alpha_bar).exp(), grid)
    top = torch.tensor([3.0], dtype=torch.float64)
    torch.testing.assert_close(DATA.cdf(top, alpha_bar), area[None], rtol=0, atol=1e-9)
    torch.testing.assert_close(DATA.cdf(X, alpha_bar) + DATA.cdf(X, alpha_bar, upper=True), torch.ones_like(X))


def test_draws_have_the_distribution_that_is_claimed():
    x0 = DATA.sample(torch.empty(20_000, dtype=torch.float64), seed=3)
    for place in (-0.7, -0.4, 0.0, 0.5, 0.7):
        expected = float(DATA.cdf(torch.tensor([place], dtype=torch.float64), 1.0))
        assert float((x0 < place).double().mean()) == pytest.approx(expected, abs=0.02)


def test_the_flow_is_where_the_finest_chain_goes():
    """DDIM(0), which is Euler's method, on 1000 and on 2000 steps, extrapolated to none."""
    x, ends = torch.linspace(-2.5, 2.5, 11, dtype=torch.float64).reshape(-1, 1, 1, 1), []
    for T in (1000, 2000):
        schedule = linear(T)
        d = denoiser(schedule, "eps", FIXED_SMALL, DATA.network(schedule, "eps"))
        last = end_of(reverse_process(DDIM(0.0), d, x, noise=no_noise))
        ends.append(last.x)
    exact = DATA.flow(x, float(schedule.alpha_bar[-1]))
    torch.testing.assert_close(2 * ends[1] - ends[0], exact, rtol=0, atol=5e-4)


@pytest.mark.parametrize("alpha_bar", LEVELS)
def test_the_flow_comes_back_and_fixes_quantiles(alpha_bar):
    there = DATA.flow(X, alpha_bar, 0.6)
    torch.testing.assert_close(DATA.flow(there, 0.6, alpha_bar), X, rtol=0, atol=1e-9)
    torch.testing.assert_close(DATA.cdf(there, 0.6), DATA.cdf(X, alpha_bar), rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("parameterization", PARAMETERIZATIONS)
def test_every_best_network_means_the_same_x0(parameterization):
    schedule, scale = cosine(50), 20.0
    network = DATA.network(schedule, parameterization, scale)
    d = denoiser(schedule, parameterization, FIXED_SMALL, network, time_scale=scale)
    for t in (1, 7, 50):
        x, alpha_bar = X.reshape(-1, 1, 1, 1), float(schedule.alpha_bar[t])
        torch.testing.assert_close(d(x, t).x0, DATA.expected_x0(x, alpha_bar), rtol=0, atol=1e-5)
