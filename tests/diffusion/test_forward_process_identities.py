"""The conditionals of q belong together: steps compose to marginals, Bayes' rule gives the posterior."""

import numpy as np
import pytest
import torch
from diffusion_cases import STEPS, every_step, images, normal

from alphabar.diffusion import SCHEDULES, cosine, linear, q_marginal, q_posterior, q_sample, q_step


def density(gaussian, x: np.ndarray) -> np.ndarray:
    """Of a one-pixel Gaussian, up to a constant."""
    log_var = float(gaussian.log_var)
    with np.errstate(under="ignore"):
        return np.exp(-0.5 * (x - gaussian.mean.flatten().numpy()) ** 2 * np.exp(-log_var))


@pytest.mark.parametrize("t", [2, 3, 10, 25, 49, 50])
@pytest.mark.parametrize("name", SCHEDULES)
def test_the_posterior_is_bayes_rule(name, t):
    schedule = SCHEDULES[name](STEPS)
    x0 = torch.full((1, 1, 1, 1), 0.6, dtype=torch.float64)
    x_t = q_sample(schedule, x0, t, torch.full_like(x0, -0.8))
    prior = q_marginal(schedule, x0, t - 1)
    half_width = 9 * float(prior.log_var.exp().sqrt())
    grid = float(prior.mean) + np.linspace(-half_width, half_width, 40001)
    pixels = torch.from_numpy(grid).reshape(-1, 1, 1, 1)
    product = density(q_step(schedule, pixels, t), x_t.numpy().flatten()) * density(prior, grid)
    posterior = density(q_posterior(schedule, x0, x_t, t), grid)
    np.testing.assert_allclose(product / product.sum(), posterior / posterior.sum(), atol=1e-10 * posterior.max())
    assert posterior.sum() * (grid[1] - grid[0]) > 5 * (grid[1] - grid[0])  # the grid resolves what it compares


@pytest.mark.parametrize("name", SCHEDULES)
def test_t_steps_make_the_marginal(name):
    schedule, x0 = SCHEDULES[name](STEPS), images(1)
    mean, variance = x0, 0.0
    for t in range(1, STEPS + 1):
        step = q_step(schedule, mean, t)
        slope = float(q_step(schedule, torch.ones_like(x0), t).mean.flatten()[0])
        mean, variance = step.mean, slope**2 * variance + float(step.log_var.exp())
        marginal = q_marginal(schedule, x0, t)
        torch.testing.assert_close(mean, marginal.mean, rtol=1e-11, atol=1e-14)
        assert variance == pytest.approx(float(marginal.log_var.exp()), rel=1e-10)


@pytest.mark.parametrize("name", SCHEDULES)
def test_q_sample_is_a_draw_of_the_marginal(name):
    schedule = SCHEDULES[name](STEPS)
    t = every_step(schedule)
    x0, eps = images(STEPS), normal(STEPS)
    torch.testing.assert_close(
        q_marginal(schedule, x0, t).sample(eps), q_sample(schedule, x0, t, eps), rtol=1e-12, atol=1e-14
    )


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_posterior_averaged_over_x_t_is_the_marginal_one_step_down(name):
    schedule, x0 = SCHEDULES[name](STEPS), torch.full((1, 1, 1, 1), 0.7, dtype=torch.float64)
    # A float64 ᾱ near 1 gives β with an error of about 2e-16, which is more than 1e-11 of a β below 2e-5.
    digits = max(1e-11, 4 * torch.finfo(torch.float64).eps / float(schedule.beta[1:].min()))
    for t in range(2, STEPS + 1):
        at_mean = q_posterior(schedule, x0, q_marginal(schedule, x0, t).mean, t)
        slope = q_posterior(schedule, x0 * 0, torch.ones_like(x0), t).mean
        variance = slope**2 * q_marginal(schedule, x0, t).log_var.exp() + at_mean.log_var.exp()
        below = q_marginal(schedule, x0, t - 1)
        torch.testing.assert_close(at_mean.mean, below.mean, rtol=digits, atol=1e-13)
        torch.testing.assert_close(variance.log().squeeze(), below.log_var.squeeze(), rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_last_posterior_is_x0_itself(name):
    x0, x_1 = images(2), normal(2)
    posterior = q_posterior(SCHEDULES[name](STEPS), x0, x_1, 1)
    assert torch.equal(posterior.mean, x0) and bool(posterior.log_var.isfinite())


def test_at_t_0_the_marginal_is_the_data():
    x0, eps = images(2), normal(2)
    assert torch.equal(q_sample(linear(50), x0, 0, eps), x0)
    assert torch.equal(q_marginal(linear(50), x0, 0).sample(eps), x0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("t", [1, 2, 50])
def test_one_step_for_the_batch_and_one_per_image_agree(t, dtype):
    schedule, x0, x_t = cosine(50), images(3).to(dtype), normal(3).to(dtype)
    per_image = torch.full((3,), t)
    for q in (q_step, q_marginal):
        assert torch.equal(q(schedule, x0, t).mean, q(schedule, x0, per_image).mean)
        assert torch.equal(q(schedule, x0, t).log_var.expand(3, 1, 1, 1), q(schedule, x0, per_image).log_var)
    assert torch.equal(q_sample(schedule, x0, t, x_t), q_sample(schedule, x0, per_image, x_t))
    a, b = q_posterior(schedule, x0, x_t, t), q_posterior(schedule, x0, x_t, per_image)
    assert torch.equal(a.mean, b.mean) and torch.equal(a.log_var.expand(3, 1, 1, 1), b.log_var)


def test_each_image_is_at_its_own_step():
    schedule, x0, eps, t = linear(50), images(50), normal(50), every_step(linear(50))
    together = q_sample(schedule, x0, t, eps)
    for k in (0, 7, 49):
        assert torch.equal(together[k : k + 1], q_sample(schedule, x0[k : k + 1], k + 1, eps[k : k + 1]))


def test_coefficients_are_rounded_once_from_float64():
    schedule, one = cosine(4000), torch.ones(4000, 1, 1, 1)
    noise_only = q_sample(schedule, 0 * one, every_step(schedule), one).flatten()
    assert torch.equal(noise_only, (1 - schedule.alpha_bar[1:]).sqrt().float())
    assert noise_only.dtype == torch.float32
