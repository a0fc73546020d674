"""EDM's churn is a forward step of the network's own chain: to the row nearest to (1 + γ) σ, with the variance of q."""

import math
from dataclasses import replace

import pytest
import torch
from diffusion_cases import denoiser, no_noise, normal, replayed
from gaussian_data import GaussianData
from solver_cases import chain

from alphabar.diffusion import FIXED_SMALL, NoiseSchedule, clip, cosine, linear, reverse_process
from alphabar.diffusion.samplers import Churn, Euler, Heun
from alphabar.diffusion.schedules import jsd

FULL = cosine(1000)
ROWS = [1, 20, 90, 300, 301, 640, 900, 990, 1000]
SHORT = FULL.respace(ROWS)
BOTH = pytest.mark.parametrize("make", [Euler, Heun], ids=lambda make: make.__name__)


def sigma(schedule: NoiseSchedule) -> list[float]:
    """√((1 − ᾱ)/ᾱ) by row."""
    return [math.sqrt((1 - a) / a) if a else math.inf for a in schedule.alpha_bar.tolist()]


def ones(x: torch.Tensor) -> torch.Tensor:
    return torch.ones_like(x)


def of(schedule: NoiseSchedule):
    return denoiser(schedule, "v", FIXED_SMALL)


@pytest.mark.parametrize("t", range(1, 9))
@pytest.mark.parametrize("amount", [0.05, 0.7, 2.0, 3.5, 80.0])
def test_it_raises_the_noise_to_the_row_nearest_to_the_wanted_sigma(amount, t):
    """γ = min(S_churn/K, √2 − 1), K the steps of the shorter chain and the rows those of the whole one."""
    levels = sigma(FULL)
    wanted = levels[ROWS[t - 1]] * (1 + min(amount / len(ROWS), math.sqrt(2) - 1))
    nearest = min(range(1, 1001), key=lambda row: abs(math.log(levels[row] / wanted)))
    raised = Churn(amount).raised(of(SHORT), normal(2), t, ones)
    assert raised.t == nearest and raised.denoiser.schedule is FULL


def test_the_rows_are_fine_enough_for_the_test_above_to_tell_amounts_apart():
    rows = [Churn(amount).raised(of(SHORT), normal(2), 4, ones).t for amount in (0.05, 0.7, 2.0, 3.5)]
    assert rows == sorted(set(rows)) and rows[0] > ROWS[3]


@pytest.mark.parametrize("t", range(1, 9))
def test_what_it_adds_is_the_noise_of_the_forward_process(t):
    """x' = √(ᾱ'/ᾱ) x + √(1 − ᾱ'/ᾱ) z: marginals stay marginals."""
    x, d = normal(2), of(SHORT)
    still, noisy = (Churn(3.0).raised(d, x, t, noise) for noise in (torch.zeros_like, ones))
    a, higher = (float(FULL.alpha_bar[row]) for row in (ROWS[t - 1], noisy.t))
    torch.testing.assert_close(still.x, math.sqrt(higher / a) * x, rtol=1e-12, atol=0)
    torch.testing.assert_close(noisy.x - still.x, torch.full_like(x, math.sqrt(1 - higher / a)), rtol=1e-9, atol=1e-12)
    mean, variance = GaussianData().marginal(a)
    kept, added = math.sqrt(higher / a), float((noisy.x - still.x)[0, 0, 0, 0]) ** 2
    assert (kept * mean, kept**2 * variance + added) == pytest.approx(GaussianData().marginal(higher), rel=1e-9)


def test_the_scale_multiplies_the_noise_alone():
    x, d = normal(2), of(SHORT)
    still, plain, louder = (
        Churn(3.0, scale=scale).raised(d, x, 5, noise).x
        for scale, noise in ((1, torch.zeros_like), (1, ones), (1.5, ones))
    )
    torch.testing.assert_close(louder - still, 1.5 * (plain - still), rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    "churn, schedule, t",
    [
        (Churn(0.0), SHORT, 4),
        (Churn(3.0), SHORT, 9),  # there is no noisier row
        (Churn(3.0), jsd(20), 20),  # σ = ∞
        (Churn(3.0), jsd(20), 19),  # the next row is σ = ∞
        (Churn(0.01), linear(30), 15),  # rounds to the row itself
        (Churn(3.0, sigma_max=sigma(FULL)[300] / 2), SHORT, 4),
        (Churn(3.0, sigma_min=sigma(FULL)[300] * 2), SHORT, 4),
    ],
)
def test_where_there_is_nothing_to_raise_no_noise_is_drawn(churn, schedule, t):
    x = normal(2)
    raised = churn.raised(of(schedule), x, t, no_noise)
    assert torch.equal(raised.x, x)
    assert float(raised.denoiser.schedule.alpha_bar[raised.t]) == float(schedule.alpha_bar[t])


def test_within_its_limits_of_sigma_it_is_the_same_as_without_limits():
    s = sigma(FULL)[300]
    inside, free = (c.raised(of(SHORT), normal(2), 4, ones) for c in (Churn(3.0, s * 0.9, s * 1.1), Churn(3.0)))
    assert inside.t == free.t > 300 and torch.equal(inside.x, free.x)


@BOTH
def test_an_amount_of_0_is_deterministic(make):
    d = of(SHORT)
    assert bool(list(reverse_process(make(0.0), d, normal(2), noise=no_noise))[-1].x.isfinite().all())
    drawn = [list(reverse_process(make(3.0), d, normal(2), noise=replayed(seed)))[-1].x for seed in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1]) and not torch.allclose(drawn[0], drawn[2], atol=1e-3)


@BOTH
def test_a_churned_step_is_the_plain_step_from_the_raised_row(make):
    """EDM Alg. 2: raised, the step to σ_s is the one without churn on the chain (raised row, s)."""
    d, x = denoiser(SHORT, "v", FIXED_SMALL, x0_transform=clip), normal(2)
    for t in range(1, 9):
        raised = Churn(3.0).raised(d, x, t, ones)
        rows = [row for row in (int(SHORT.timesteps[t - 1]), raised.t) if row]
        pair = replace(d, schedule=FULL.respace(rows))
        plain = make(0.0).step(pair, raised.x, len(rows), (), no_noise)
        churned = make(3.0).step(d, x, t, (), ones)
        torch.testing.assert_close(churned.x, plain.x, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(churned.x0, plain.x0, rtol=1e-10, atol=1e-10)


@BOTH
@pytest.mark.parametrize("amount", [-1.0, math.inf, math.nan])
def test_an_amount_that_is_none_is_refused(make, amount):
    with pytest.raises(ValueError, match=f"churn must be a number from 0 on; got {amount:g}"):
        make(amount)


def test_on_a_chain_placed_by_hand_the_factor_is_exactly_what_was_asked_for():
    """Rows at σ · 1.2ᵏ, K of them all visited, S_churn = 0.2 K: each is raised to the one above."""
    schedule = chain([-math.log(0.05 * 1.2**k) for k in range(20)])
    for t in range(1, 20):
        assert Churn(0.2 * 20).raised(of(schedule), normal(2), t, ones).t == t + 1
