"""What every noise schedule promises, whatever its name and its length."""

import numpy as np
import pytest
import torch
from diffusion_cases import images, no_noise

from alphabar.diffusion import (
    FIXED_LARGE,
    FIXED_SMALL,
    SCHEDULES,
    X0,
    Ancestral,
    Denoiser,
    from_betas,
    linear,
    reverse_process,
)
from alphabar.diffusion.schedule import from_alpha_bar

SHORTEST = {"linear": 21}
CHAINS = [(name, T) for name in SCHEDULES for T in (1, 2, 3, 10, 21, 100, 1000, 4000) if SHORTEST.get(name, 1) <= T]


@pytest.fixture(params=CHAINS, ids=lambda chain: f"{chain[0]}-{chain[1]}")
def chain(request):
    name, T = request.param
    return SCHEDULES[name](T), T


def test_alpha_bar_has_one_row_per_level_and_starts_at_the_data(chain):
    schedule, T = chain
    assert schedule.alpha_bar.shape == (T + 1,) and schedule.T == T
    assert schedule.alpha_bar.dtype == torch.float64
    assert float(schedule.alpha_bar[0]) == 1.0
    assert schedule.timesteps.tolist() == list(range(T + 1)) and schedule.timesteps.dtype == torch.int64


def test_every_step_loses_something_and_none_gains(chain):
    schedule, _ = chain
    assert bool((schedule.alpha_bar.diff() < 0).all()) and float(schedule.alpha_bar[-1]) >= 0
    assert bool(((schedule.beta[1:] > 0) & (schedule.beta[1:] <= 1)).all())


def test_derived_tables_are_functions_of_alpha_bar(chain):
    schedule, T = chain
    a = schedule.alpha_bar.numpy()
    beta = 1 - a[1:] / a[:-1]
    assert float(schedule.beta[0]) == 0 and float(schedule.alpha[0]) == 1
    np.testing.assert_allclose(schedule.beta[1:], beta, atol=1e-15)
    np.testing.assert_allclose(schedule.alpha, 1 - schedule.beta, atol=1e-15)
    np.testing.assert_allclose(schedule.alpha.cumprod(0), a, rtol=1e-11)
    np.testing.assert_allclose(schedule.beta_tilde[1:], beta * (1 - a[:-1]) / (1 - a[1:]), rtol=1e-9, atol=0)
    assert schedule.ends_in_pure_noise == (a[-1] == 0)
    assert all(len(table) == T + 1 for table in (schedule.beta, schedule.alpha, schedule.beta_tilde))


def test_the_posterior_is_never_wider_than_the_step(chain):
    schedule, _ = chain
    assert float(schedule.beta_tilde[1]) == 0
    assert bool((schedule.beta_tilde[1:] <= schedule.beta[1:]).all())


def test_log_beta_tilde_is_finite_and_borrows_its_first_row(chain):
    schedule, T = chain
    log = schedule.log_beta_tilde
    assert log.shape == (T + 1,) and bool(log.isfinite().all())
    np.testing.assert_allclose(log[2:], schedule.beta_tilde[2:].log(), rtol=1e-13)
    assert float(log[1]) == float((schedule.beta_tilde[2] if T > 1 else schedule.beta[1]).log())


def test_half_log_snr_falls_from_infinity(chain):
    schedule, _ = chain
    a, snr = schedule.alpha_bar, schedule.half_log_snr
    assert float(snr[0]) == float("inf") and bool((snr.diff() < 0).all())
    inner = slice(1, -1 if schedule.ends_in_pure_noise else None)
    np.testing.assert_allclose(snr[inner], (a[inner] / (1 - a[inner])).sqrt().log(), rtol=1e-9, atol=1e-12)
    assert (float(snr[-1]) == -float("inf")) == schedule.ends_in_pure_noise


@pytest.mark.parametrize("variance", [FIXED_SMALL, FIXED_LARGE], ids=lambda v: v.name)
@pytest.mark.parametrize("name", [name for name in SCHEDULES if name not in SHORTEST])
def test_a_chain_of_one_step_samples_and_returns_x0_hat(name, variance):
    one = Denoiser(lambda x, time: 0.5 * x + 0.1, SCHEDULES[name](1), X0, variance)
    x = images(3)
    (step,) = reverse_process(Ancestral(), one, x, noise=no_noise)
    assert step.t == 0 and torch.equal(step.x, 0.5 * x + 0.1) and torch.equal(step.x, step.x0)
    assert bool(one(x, 1).log_var.isfinite())


@pytest.mark.parametrize("row", [1, 2, 25, 50])
@pytest.mark.parametrize("name", SCHEDULES)
def test_any_chain_respaced_to_one_step_still_samples(name, row):
    one = Denoiser(lambda x, time: 0.5 * x, SCHEDULES[name](50).respace([row]), X0, FIXED_SMALL)
    x = images(2)
    (step,) = reverse_process(Ancestral(), one, x, noise=no_noise)
    assert torch.equal(step.x, 0.5 * x)
    assert bool(one.schedule.log_beta_tilde.isfinite().all())


@pytest.mark.parametrize("T", range(1, 21))
def test_linear_says_which_T_is_too_short_and_what_to_do(T):
    with pytest.raises(ValueError, match=rf"T = {T}; use T > 20 or .*'cosine'"):
        linear(T)


def test_linear_works_from_21_steps_on():
    assert float(linear(21).beta[-1]) == pytest.approx(20 / 21)


def test_betas_make_the_round_trip():
    betas = [0.1, 0.02, 0.5, 0.003]
    np.testing.assert_allclose(from_betas(betas).beta[1:], betas, rtol=1e-13)
    np.testing.assert_allclose(from_betas(betas).alpha_bar, [1, 0.9, 0.882, 0.441, 0.439677], rtol=1e-13)


@pytest.mark.parametrize("name", SCHEDULES)
def test_alpha_bar_makes_the_round_trip(name):
    schedule = SCHEDULES[name](100)
    np.testing.assert_allclose(from_betas(schedule.beta[1:]).alpha_bar, schedule.alpha_bar, rtol=1e-12)
    np.testing.assert_allclose(from_alpha_bar(7 * schedule.alpha_bar).alpha_bar, schedule.alpha_bar, rtol=1e-12)


def test_from_alpha_bar_cuts_beta():
    np.testing.assert_allclose(from_alpha_bar([1, 0.5, 0.001], max_beta=0.6).beta[1:], [0.5, 0.6], rtol=1e-13)


@pytest.mark.parametrize(
    "betas, sentence",
    [
        ([], "at least one"),
        ([[0.1, 0.2]], "got the shape"),
        ([0.1, 0.0], "must lie in"),
        ([0.1, -0.2], "-0.2"),
        ([0.1, 1.5], "1.5"),
        ([0.1, float("nan")], "must lie in"),
        ([1.0, 0.1], "Only the last"),
    ],
)
def test_betas_that_are_none_are_refused_with_a_sentence(betas, sentence):
    with pytest.raises(ValueError, match=sentence):
        from_betas(betas)


@pytest.mark.parametrize("alpha_bar", [[1.0], [], [[1.0, 0.5]], [1.0, 0.5, 0.6], [1.0, -0.1], [1.0, 0.5, 0.5]])
def test_alpha_bar_that_is_none_is_refused(alpha_bar):
    with pytest.raises(ValueError):
        from_alpha_bar(alpha_bar)


def test_the_tables_move_together():
    moved = linear(100).to("meta")  # a device that this machine has, whatever it is
    for table in (moved.alpha_bar, moved.timesteps, moved.beta, moved.log_beta_tilde, moved.half_log_snr):
        assert table.device.type == "meta"
    assert moved.alpha_bar.dtype == torch.float64


def test_a_schedule_cannot_be_changed_in_place():
    with pytest.raises(AttributeError):
        linear(100).alpha_bar = torch.ones(3)
