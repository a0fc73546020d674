"""ε, x_0, μ and v say the same thing about x_t."""

import pytest
import torch
from diffusion_cases import STEPS, every_step, images, normal, pairs

from alphabar.diffusion import PARAMETERIZATIONS, SCHEDULES, cosine, linear, q_posterior, q_sample
from alphabar.diffusion.parameterization import eps_to_x0, x0_to_eps


def world(name: str):
    """(schedule, x0, eps, t, x_t) with one image per step of the chain."""
    schedule, x0, eps = SCHEDULES[name](STEPS), images(STEPS), normal(STEPS)
    t = every_step(schedule)
    return schedule, x0, eps, t, q_sample(schedule, x0, t, eps)


@pytest.mark.parametrize("schedule, parameterization", pairs())
def test_the_target_gives_x0_and_eps_back_at_every_step(schedule, parameterization):
    schedule, x0, eps, t, x_t = world(schedule)
    p = PARAMETERIZATIONS[parameterization]
    back = p.to_x0(schedule, p.target(schedule, x0, eps, t), x_t, t)
    torch.testing.assert_close(back, x0, rtol=0, atol=1e-9)
    torch.testing.assert_close(x0_to_eps(schedule, back, x_t, t), eps, rtol=0, atol=1e-9)


@pytest.mark.parametrize("schedule, parameterization", pairs())
def test_any_output_is_the_target_of_the_x0_that_it_means(schedule, parameterization):
    schedule, _, _, t, x_t = world(schedule)
    p, output = PARAMETERIZATIONS[parameterization], normal(STEPS, seed=5)
    x0 = p.to_x0(schedule, output, x_t, t)
    again = p.target(schedule, x0, x0_to_eps(schedule, x0, x_t, t), t)
    torch.testing.assert_close(again, output, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", SCHEDULES)
def test_v_is_the_rotation_of_x0_and_eps(name):
    schedule, x0, eps, t, x_t = world(name)
    v = PARAMETERIZATIONS["v"].target(schedule, x0, eps, t)
    signal = schedule.alpha_bar[t].sqrt().reshape(-1, 1, 1, 1)
    noise = (1 - schedule.alpha_bar[t]).sqrt().reshape(-1, 1, 1, 1)
    close = {"rtol": 0, "atol": 1e-12}
    torch.testing.assert_close(v, signal * eps - noise * x0, **close)
    torch.testing.assert_close(signal * x_t - noise * v, x0, **close)
    torch.testing.assert_close(noise * x_t + signal * v, eps, **close)
    torch.testing.assert_close(v**2 + x_t**2, x0**2 + eps**2, **close)


@pytest.mark.parametrize("name", [name for name in SCHEDULES if not SCHEDULES[name](STEPS).ends_in_pure_noise])
def test_the_mean_written_with_eps_is_ddpm_equation_11(name):
    schedule, _, eps_hat, t, x_t = world(name)
    mean = q_posterior(schedule, eps_to_x0(schedule, eps_hat, x_t, t), x_t, t).mean
    beta, alpha_bar = (table[t].reshape(-1, 1, 1, 1) for table in (schedule.beta, schedule.alpha_bar))
    torch.testing.assert_close(
        mean, (x_t - beta / (1 - alpha_bar).sqrt() * eps_hat) / (1 - beta).sqrt(), rtol=1e-10, atol=1e-10
    )


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_mu_output_is_the_mean_of_the_reverse_step_unchanged(name):
    schedule, _, _, t, x_t = world(name)
    output = normal(STEPS, seed=5)
    x0 = PARAMETERIZATIONS["mu"].to_x0(schedule, output, x_t, t)
    torch.testing.assert_close(q_posterior(schedule, x0, x_t, t).mean, output, rtol=0, atol=1e-11)


@pytest.mark.parametrize("parameterization", PARAMETERIZATIONS)
@pytest.mark.parametrize("t", [1, 25, 50])
def test_one_step_for_the_batch_and_one_per_image_agree(parameterization, t):
    p, x0, eps = PARAMETERIZATIONS[parameterization], images(3), normal(3)
    schedule, per_image = cosine(50), torch.full((3,), t)
    assert torch.equal(p.target(schedule, x0, eps, t), p.target(schedule, x0, eps, per_image))
    assert torch.equal(p.to_x0(schedule, eps, x0, t), p.to_x0(schedule, eps, x0, per_image))


@pytest.mark.parametrize("parameterization", PARAMETERIZATIONS)
def test_float32_round_trips_where_the_image_is_still_visible(parameterization):
    schedule, p = linear(1000), PARAMETERIZATIONS[parameterization]
    t = torch.tensor([1, 2, 5, 20, 100, 300])
    x0, eps = images(6).float(), normal(6).float()
    back = p.to_x0(schedule, p.target(schedule, x0, eps, t), q_sample(schedule, x0, t, eps), t)
    assert back.dtype == torch.float32
    torch.testing.assert_close(back, x0, rtol=0, atol=2e-3 if parameterization == "mu" else 1e-5)


def test_registered_names_are_the_names_of_the_objects():
    assert all(name == p.name for name, p in PARAMETERIZATIONS.items())
