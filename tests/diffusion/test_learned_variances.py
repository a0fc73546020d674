"""Learned variances: what the network's second half means, and that training finds the best one."""

import math

import numpy as np
import pytest
import torch
from diffusion_cases import STEPS, every_step, images, normal, pairs, wavy
from gaussian_data import GaussianData

from alphabar.diffusion import (
    EPS,
    FIXED_SMALL,
    LEARNED,
    LEARNED_RANGE,
    PARAMETERIZATIONS,
    SCHEDULES,
    Ancestral,
    Denoiser,
    Objective,
    cosine,
    linear,
    training_loss,
)
from covering import covering

DATA = GaussianData()
NODES = torch.tensor([-math.sqrt(3), 0, math.sqrt(3)], dtype=torch.float64)
X_NODES = (DATA.mean + DATA.std * NODES).repeat_interleave(3).reshape(9, 1, 1, 1)
EPS_NODES = NODES.repeat(3).reshape(9, 1, 1, 1)
WEIGHT = torch.tensor([1, 4, 1, 4, 16, 4, 1, 4, 1], dtype=torch.float64) / 36


def bounds(schedule) -> tuple[np.ndarray, np.ndarray]:
    """(log β̃, log β) of t = 1..T by the papers' formulas, the first β̃ being the second."""
    a = schedule.alpha_bar.numpy()
    beta = 1 - a[1:] / a[:-1]
    tilde = beta * (1 - a[:-1]) / (1 - a[1:])
    tilde[0] = tilde[1] if len(tilde) > 1 else beta[0]
    return np.log(tilde), np.log(beta)


@pytest.mark.parametrize("rows", [range(1, STEPS + 1), [1, 4, 11, 50], [3, 50], [7], [50]], ids=str)
@pytest.mark.parametrize("name", SCHEDULES)
def test_the_range_goes_from_the_posteriors_variance_to_the_steps_on_every_chain(name, rows):
    schedule = SCHEDULES[name](STEPS).respace(rows)
    low, high = bounds(schedule)
    x, t = images(schedule.T), every_step(schedule)
    for v, fraction in ((-1.0, 0.0), (0.0, 0.5), (1.0, 1.0), (3.0, 2.0), (-2.0, -0.5)):  # not squashed
        log_var = LEARNED_RANGE.log_var(schedule, x, t, torch.full_like(x, v))
        assert log_var.shape == x.shape and bool(log_var.isfinite().all())
        np.testing.assert_allclose(log_var[:, 0, 0, 0], fraction * high + (1 - fraction) * low, atol=1e-10)


def test_it_is_interpolated_pixel_by_pixel():
    x, v = images(2), normal(2)
    log_var = LEARNED_RANGE.log_var(cosine(STEPS), x, 20, v)
    low, high = (table[19] for table in bounds(cosine(STEPS)))
    torch.testing.assert_close(log_var, (v + 1) / 2 * high + (1 - v) / 2 * low, rtol=1e-12, atol=0)


def test_a_network_that_says_nothing_yet_is_halfway():
    """Zero-initialised output: frac = ½, the geometric mean of the two (§1.5)."""
    x = images(1)
    low, high = bounds(linear(1000))
    log_var = LEARNED_RANGE.log_var(linear(1000), x, 500, torch.zeros_like(x))
    torch.testing.assert_close(log_var, torch.full_like(x, (low[499] + high[499]) / 2))


def test_learned_is_the_log_variance_itself():
    assert torch.equal(LEARNED.log_var(cosine(STEPS), images(2), 20, normal(2)), normal(2))


def test_float32_stays_float32():
    x, v = images(2).float(), normal(2).float()
    for variance in (LEARNED, LEARNED_RANGE):
        assert variance.log_var(cosine(STEPS), x, torch.tensor([1, 50]), v).dtype == torch.float32


def head_of(schedule, rows, log_var):
    """(what LEARNED_RANGE, LEARNED must be told) for the given log σ_t² of the chain `rows`, by time."""
    low, high = (torch.from_numpy(table) for table in bounds(schedule.respace(rows)))
    table = {"learned": torch.zeros(schedule.T).double(), "learned_range": torch.zeros(schedule.T).double()}
    table["learned"][[t - 1 for t in rows]] = log_var
    table["learned_range"][[t - 1 for t in rows]] = 2 * (log_var - low) / (high - low) - 1
    return table


@covering(
    {
        "schedule, parameterization": pairs(),
        "rows": [range(1, STEPS + 1), [1, 3, 4, 10, 22, 37, 50]],
        "variance": [LEARNED, LEARNED_RANGE],
    }
)
def test_a_head_that_knows_the_true_variance_gives_every_level_its_true_marginal(
    schedule, parameterization, rows, variance
):
    """Ancestral sampling of Gaussian data, propagated exactly: the step is affine in x and in the noise."""
    full = SCHEDULES[schedule](STEPS)
    short = full.respace(rows)
    a = short.alpha_bar.tolist()
    true = torch.tensor([DATA.reverse(a[t], a[t - 1])[2] for t in range(1, short.T + 1)], dtype=torch.float64)
    head, best = head_of(full, rows, true.log())[variance.name], DATA.network(full, parameterization)

    def network(x, time):
        out = best(x, time)
        return torch.cat([out, head[time.long()].reshape(-1, 1, 1, 1).expand_as(out)], dim=1)

    d = Denoiser(network, full, PARAMETERIZATIONS[parameterization], variance).respaced(rows)
    probe = torch.tensor([0.0, 1.0], dtype=torch.float64).reshape(2, 1, 1, 1)
    mean, spread = DATA.marginal(a[-1])
    for t in range(short.T, 1, -1):  # the last step adds no noise
        still = Ancestral().step(d, probe, t, (), torch.zeros_like).x.flatten()
        noisy = Ancestral().step(d, probe[:1], t, (), torch.ones_like).x.flatten()
        slope, bias, sigma = float(still[1] - still[0]), float(still[0]), float(noisy[0] - still[0])
        mean, spread = slope * mean + bias, slope**2 * spread + sigma**2
        assert (mean, spread) == pytest.approx(DATA.marginal(a[t - 1]), rel=0, abs=1e-9)


@pytest.mark.parametrize("kind", ["vlb", "hybrid"])
@pytest.mark.parametrize("variance", [LEARNED, LEARNED_RANGE], ids=lambda v: v.name)
def test_training_a_head_by_the_bound_finds_the_true_reverse_variance(variance, kind):
    """Gaussian data, the best mean, one number per t trained from 0 on the exact expectation of the loss.

    min over σ² of E KL(N(μ̃, β̃) ‖ N(μ, σ²)) is at σ² = β̃ + E(μ̃ − μ)², which is Var(x_{t−1} | x_t).
    """
    schedule = cosine(40)
    best = DATA.network(schedule, "eps")
    head = torch.zeros(schedule.T, dtype=torch.float64, requires_grad=True)
    t = torch.arange(2, schedule.T + 1).repeat_interleave(9)  # t = 1 has the decoder's bins, and no closed answer
    x0, eps, weight = X_NODES.repeat(39, 1, 1, 1), EPS_NODES.repeat(39, 1, 1, 1), WEIGHT.repeat(39)

    def network(x, time):
        out = best(x, time)
        return torch.cat([out, head[time.long()].reshape(-1, 1, 1, 1).expand_as(out)], dim=1)

    d = Denoiser(network, schedule, EPS, variance)
    optimizer = torch.optim.LBFGS([head], max_iter=200, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = (weight * training_loss(d, Objective(kind, vlb_weight=1.0), x0, t, eps)["loss"]).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    x = torch.zeros(39, 1, 1, 1, dtype=torch.float64)
    steps = torch.arange(2, schedule.T + 1)
    log_var = variance.log_var(schedule, x, steps, head.detach()[1:].reshape(-1, 1, 1, 1)).flatten()
    a = schedule.alpha_bar.tolist()
    true = [DATA.reverse(a[k], a[k - 1])[2] for k in range(2, schedule.T + 1)]
    np.testing.assert_allclose(log_var.exp().numpy(), true, rtol=1e-3)
    fixed = FIXED_SMALL.log_var(schedule, x, steps, None).flatten().exp().numpy()
    assert np.abs(fixed / true - 1).max() > 0.3  # it had something to learn


def test_the_smooth_network_of_these_tests_is_read_in_halves():
    x, t = normal(2), torch.tensor([3, 9])
    d = Denoiser(lambda x, time: torch.cat([wavy(x, time), 2 * x], dim=1), cosine(STEPS), EPS, LEARNED)
    assert torch.equal(d(x, t).log_var, 2 * x)
