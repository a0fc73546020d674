"""Each line of DDPM's Appendix A has the value of the line before, on single paths x_0..x_T and before any average.

docs/ddpm_bound.md derives the lines; here they are evaluated with an imperfect p_θ on Gaussian data.
"""

import math

import pytest
import torch
from gaussian_data import GaussianData
from torch import Tensor

from alphabar.diffusion import FIXED_LARGE, FIXED_SMALL, Gaussian, cosine, linear, q_marginal, q_posterior, q_step

DATA = GaussianData()
CHAIN = linear(30)
T = CHAIN.T


def log_density(p: Gaussian, x: Tensor) -> Tensor:
    return -0.5 * ((x - p.mean) ** 2 * (-p.log_var).exp() + p.log_var + math.log(2 * math.pi))


def paths(count: int = 64) -> list[Tensor]:
    """x_0, ..., x_T of the forward process, float64 (count, 1) each."""
    generator = torch.Generator().manual_seed(0)
    noise = [torch.randn(count, 1, generator=generator, dtype=torch.float64) for _ in range(T + 1)]
    x = [DATA.mean + DATA.std * noise[0]]
    for t in range(1, T + 1):
        x.append(q_step(CHAIN, x[-1], t).sample(noise[t]))
    return x


def model(x_t: Tensor, t: int) -> Gaussian:
    """p_θ(x_{t−1} | x_t), wrong on purpose."""
    log_var = torch.tensor(-1.0 - 1.0 / t, dtype=torch.float64)
    return Gaussian(torch.sin(x_t) + 0.01 * t, log_var)


ZERO = torch.zeros((), dtype=torch.float64)
PRIOR = Gaussian(ZERO, ZERO)


def log_p(x: list[Tensor], t: int) -> Tensor:
    return log_density(model(x[t], t), x[t - 1])


def log_q(x: list[Tensor], t: int) -> Tensor:
    return log_density(q_step(CHAIN, x[t - 1], t), x[t])


def bound(x: list[Tensor]) -> Tensor:
    """Eq. 18 and 23 without their average."""
    return -log_density(PRIOR, x[T]) - sum(log_p(x, t) - log_q(x, t) for t in range(1, T + 1))


def test_eq_17_to_22_are_one_number_on_every_path():
    x = paths()
    log_q_x0 = [log_density(q_marginal(CHAIN, x[0], t), x[t]) if t else ZERO for t in range(T + 1)]
    log_post = [ZERO, ZERO, *(log_density(q_posterior(CHAIN, x[0], x[t], t), x[t - 1]) for t in range(2, T + 1))]
    joint_p = log_density(PRIOR, x[T]) + sum(log_p(x, t) for t in range(1, T + 1))
    eq17 = -(joint_p - sum(log_q(x, t) for t in range(1, T + 1)))
    last = log_p(x, 1) - log_q(x, 1)
    eq19 = -log_density(PRIOR, x[T]) - sum(log_p(x, t) - log_q(x, t) for t in range(2, T + 1)) - last
    quotients = sum(log_p(x, t) - log_post[t] + log_q_x0[t - 1] - log_q_x0[t] for t in range(2, T + 1))
    eq20 = -log_density(PRIOR, x[T]) - quotients - last
    eq21 = -(log_density(PRIOR, x[T]) - log_q_x0[T]) - sum(log_p(x, t) - log_post[t] for t in range(2, T + 1))
    eq21 = eq21 - log_p(x, 1)
    for line in (bound(x), eq19, eq20, eq21):
        torch.testing.assert_close(line, eq17, rtol=1e-11, atol=1e-11)


def test_the_average_over_x_prev_in_eq_21_is_the_kl_of_eq_22():
    t, x = 12, paths(8)
    posterior, p = q_posterior(CHAIN, x[0], x[t], t), model(x[t], t)
    eps = torch.linspace(-9, 9, 20001, dtype=torch.float64)
    weight = torch.softmax(-(eps**2) / 2, 0)
    x_prev = posterior.sample(eps)
    average = ((log_density(posterior, x_prev) - log_density(p, x_prev)) * weight).sum(1, keepdim=True)
    torch.testing.assert_close(average, posterior.kl(p), rtol=1e-9, atol=1e-12)


def test_eq_23_to_25_are_one_number_on_every_path():
    x, rows = paths(), CHAIN.alpha_bar.tolist()

    def of_all_data(t: int) -> Tensor:
        mean, variance = DATA.marginal(rows[t])
        return log_density(Gaussian(ZERO + mean, (ZERO + variance).log()), x[t])

    def log_reverse(t: int) -> Tensor:
        slope, bias, variance = DATA.reverse(rows[t], rows[t - 1])
        return log_density(Gaussian(slope * x[t] + bias, (ZERO + variance).log()), x[t - 1])

    steps = range(1, T + 1)
    quotients = sum(log_p(x, t) - log_reverse(t) + of_all_data(t - 1) - of_all_data(t) for t in steps)
    eq24 = -log_density(PRIOR, x[T]) - quotients
    eq25 = -(log_density(PRIOR, x[T]) - of_all_data(T)) - sum(log_p(x, t) - log_reverse(t) for t in steps)
    eq25 = eq25 - of_all_data(0)
    for line in (eq24, eq25):
        torch.testing.assert_close(line, bound(x), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("make", [linear, cosine])
def test_the_weights_of_eq_12_are_those_that_the_book_names(make):
    schedule = make(1000)
    beta, alpha, alpha_bar = schedule.beta[2:], schedule.alpha[2:], schedule.alpha_bar
    for variance, simple in (
        (FIXED_LARGE, beta / (2 * alpha * (1 - alpha_bar[2:]))),
        (FIXED_SMALL, beta / (2 * alpha * (1 - alpha_bar[1:-1]))),
    ):
        sigma2 = variance.log_var(schedule, torch.zeros(999, 1), torch.arange(2, 1001), None).double().exp().flatten()
        published = beta**2 / (2 * sigma2 * alpha * (1 - alpha_bar[2:]))
        torch.testing.assert_close(published, simple, rtol=2e-6, atol=0)
    snr = alpha_bar / (1 - alpha_bar)
    of_x0 = 0.5 * (snr[1:-1] - snr[2:])  # a squared error of ε is SNR times one of x̂_0
    torch.testing.assert_close(of_x0 / snr[2:], simple, rtol=1e-9, atol=0)
    if make is linear:
        weight = schedule.beta / (2 * schedule.alpha * (1 - alpha_bar).clamp(min=1e-12))
        assert weight[1] == pytest.approx(0.5, rel=1e-3) and 1 + int(weight[1:].argmin()) == 349
        assert weight[349] == pytest.approx(0.00497, rel=1e-3) and weight[1000] == pytest.approx(0.0102, rel=1e-3)
