"""The analytic variance is the best isotropic one: of the exact network and of wrong ones, on every chain.

Data are Gaussian, networks linear, so that every step is x_{t−1} = A x_t + b + σ z, with numbers that are read off the
real sampler; mean and variance are propagated from N(0, 1) without Monte Carlo.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusion_cases import STEPS, denoiser, every_step, images, normal, pairs
from gaussian_data import GaussianData

from alphabar.diffusion import (
    FIXED_LARGE,
    FIXED_SMALL,
    LEARNED,
    LEARNED_RANGE,
    SCHEDULES,
    VARIANCES,
    X0,
    Ancestral,
    Denoiser,
    clip,
    cosine,
    linear,
    p_transition,
    q_sample,
    spaced,
)
from alphabar.diffusion.likelihood import vlb_term
from alphabar.diffusion.variance import analytic, with_last_noise
from alphabar.diffusion.x0_error import mean_x0_error, squared_x0_error, x0_errors, x0_mse_table
from covering import covering

DATA = GaussianData()
ROWS = {"full": range(1, STEPS + 1), "respaced": [1, 3, 4, 10, 22, 37, 50]}
NOTHING = FIXED_SMALL  # a variance that nothing depends on


def exact_mse(schedule, data=DATA) -> torch.Tensor:
    """Var(x_0 | x_t) by timestep: the error of the best network there is."""
    table = torch.full((int(schedule.timesteps[-1]) + 1,), math.nan, dtype=torch.float64)
    for timestep, alpha_bar in zip(schedule.timesteps[1:].tolist(), schedule.alpha_bar[1:].tolist(), strict=True):
        table[timestep] = max(0.0, data.reverse(alpha_bar, 1.0)[2])
    return table


def best(schedule, parameterization: str, variance, data=DATA) -> Denoiser:
    return denoiser(schedule, parameterization, variance, data.network(schedule, parameterization))


def affine(d: Denoiser, t: int) -> tuple[float, float, float]:
    """(A, b, σ) of the real step."""
    x = torch.tensor([0.0, 1.0], dtype=torch.float64).reshape(2, 1, 1, 1)
    still = Ancestral().step(d, x, t, (), torch.zeros_like).x.flatten().tolist()
    noisy = Ancestral().step(d, x, t, (), torch.ones_like).x.flatten().tolist()
    return still[1] - still[0], still[0], noisy[0] - still[0]


def moments(d: Denoiser, mean: float = 0.0, variance: float = 1.0) -> list[tuple[float, float]]:
    """(mean, variance) at T, T − 1, ..., 0."""
    chain = [(mean, variance)]
    for t in range(d.schedule.T, 0, -1):
        slope, bias, sigma = affine(d, t)
        chain.append((slope * chain[-1][0] + bias, slope**2 * chain[-1][1] + sigma**2))
    return chain


def drawn_std(d: Denoiser) -> float:
    return math.sqrt(moments(d)[-1][1])


# ---- the defect that it mends ------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps, small, large", [(10, 0.252, 0.504), (50, 0.351, 0.422)])
def test_fixed_variances_draw_too_narrow_and_too_wide_by_as_much_as_those_of_diffusers(steps, small, large):
    """The figures measured with diffusers' DDPMScheduler: data N(0, 0.4²), its linear schedule, its leading grid."""
    full = linear(1000)
    short = spaced(full, "leading", steps)
    assert drawn_std(best(full, "eps", FIXED_SMALL).respaced(short)) == pytest.approx(small, rel=0.02)
    assert drawn_std(best(full, "eps", FIXED_LARGE).respaced(short)) == pytest.approx(large, rel=0.02)


@pytest.mark.parametrize("spacing", ["leading", "uniform"])
@pytest.mark.parametrize("steps", [4, 10, 50])
def test_the_analytic_variance_draws_right_on_the_same_chains(steps, spacing):
    full = linear(1000)
    d = best(full, "eps", analytic(exact_mse(full), learned=False))
    assert drawn_std(d.respaced(spaced(full, spacing, steps))) == pytest.approx(DATA.std, rel=2e-3)


def test_so_does_a_learned_range_that_says_the_exact_fraction():
    """Of the short chain: log σ² = f log β + (1 − f) log β̃, v = 2f − 1, told by the time of the full chain."""
    full, head = linear(1000), torch.zeros(1000, dtype=torch.float64)
    rows = spaced(full, "leading", 10)
    short = full.respace(rows)
    for t in range(2, short.T + 1):
        true = DATA.reverse(float(short.alpha_bar[t]), float(short.alpha_bar[t - 1]))[2]
        low, high = float(short.beta_tilde[t].log()), float(short.beta[t].log())
        head[rows[t - 1] - 1] = 2 * (math.log(true) - low) / (high - low) - 1
    mean = DATA.network(full, "eps")

    def network(x, time):
        out = mean(x, time)
        return torch.cat([out, head[time.long()].reshape(-1, 1, 1, 1).expand_as(out)], dim=1)

    d = replace(best(full, "eps", FIXED_SMALL), network=network, variance=LEARNED_RANGE)
    assert drawn_std(d.respaced(rows)) == pytest.approx(DATA.std, rel=2e-3)


# ---- the exact network -------------------------------------------------------------------------------------------


@covering({"schedule, parameterization": pairs(), "rows": ROWS})
def test_every_level_of_every_chain_has_the_true_marginal(schedule, parameterization, rows):
    """Also where ᾱ_T = 0; one table serves the full chain and the respaced one."""
    full = SCHEDULES[schedule](STEPS)
    d = best(full, parameterization, analytic(exact_mse(full), learned=False)).respaced(ROWS[rows])
    a = d.schedule.alpha_bar.tolist()
    for alpha_bar, found in zip(a[:0:-1], moments(d, *DATA.marginal(a[-1])), strict=False):  # the last step adds none
        assert found == pytest.approx(DATA.marginal(alpha_bar), rel=0, abs=1e-9)


@pytest.mark.parametrize("name", SCHEDULES)
def test_it_is_theorem_1_of_analytic_dpm(name):
    """σ² = β̃ + (√(β̄_t/α_t) − √(β̄_{t−1} − β̃))² (1 − β̄_t Γ), β̄ = 1 − ᾱ, Γ = E‖∇ log q(x_t)‖²/D = 1/Var(x_t)."""
    schedule = SCHEDULES[name](STEPS)
    a = schedule.alpha_bar.numpy()
    usable = slice(1, -1 if schedule.ends_in_pure_noise else None)  # it divides by α_t
    alpha, bar, before = a[1:] / a[:-1], 1 - a[1:], 1 - a[:-1]
    tilde = (1 - alpha) * before / bar
    gamma = 1 / (a[1:] * DATA.std**2 + bar)
    with np.errstate(divide="ignore", invalid="ignore"):
        theirs = tilde + (np.sqrt(bar / alpha) - np.sqrt(before - tilde)) ** 2 * (1 - bar * gamma)
    ours = analytic(exact_mse(schedule), False).log_var(schedule, images(STEPS), every_step(schedule), None)
    np.testing.assert_allclose(ours.exp().flatten().numpy()[usable], theirs[usable], rtol=1e-7)


@pytest.mark.parametrize("std, fixed", [(0.0, FIXED_SMALL), (1.0, FIXED_LARGE)], ids=["a point", "noise"])
def test_it_is_the_fixed_variance_that_is_optimal_for_the_data(std, fixed):
    """DDPM §3.2: β̃_t for a single point, β_t for N(0, 1)."""
    schedule, data = cosine(STEPS), GaussianData(mean=0.0, std=std)
    t = torch.arange(2, STEPS + 1)
    ours = analytic(exact_mse(schedule, data), False).log_var(schedule, images(STEPS - 1), t, None)
    np.testing.assert_allclose(ours, fixed.log_var(schedule, images(STEPS - 1), t, None), atol=1e-9)


# ---- wrong networks ----------------------------------------------------------------------------------------------

PIXELS = [GaussianData(0.3, 0.1), GaussianData(-0.2, 0.7)]
NODES = torch.tensor([-math.sqrt(3), 0, math.sqrt(3)], dtype=torch.float64)
X_NODES = torch.stack([p.mean + p.std * NODES for p in PIXELS], dim=1).repeat_interleave(3, dim=0).reshape(9, 1, 1, 2)
EPS_NODES = NODES.repeat(3).reshape(9, 1, 1, 1).expand(9, 1, 1, 2)
WEIGHT = torch.tensor([1, 4, 1, 4, 16, 4, 1, 4, 1], dtype=torch.float64) / 36  # exact up to x⁵: moments of Gaussians
WRONG = {
    "biased": lambda x, time: 0.5 * x + 0.2,
    "deaf": lambda x, time: torch.zeros_like(x),
    "eager": lambda x, time: 1.5 * x - 0.4,
}
"""x̂_0, for two pixels that differ; none is right at any t."""


def wrong_mse(network, schedule) -> torch.Tensor:
    """E‖x_0 − x̂_0‖²/D by the moments of x_0 − A (√ᾱ x_0 + √(1 − ᾱ) ε) − b, one pixel after the other."""
    bias, end = network(torch.tensor([0.0, 1.0], dtype=torch.float64), 0).tolist()
    slope = end - bias
    a = schedule.alpha_bar
    gap = 1 - slope * a.sqrt()
    pixels = [(gap * p.mean - bias) ** 2 + gap**2 * p.std**2 + slope**2 * (1 - a) for p in PIXELS]
    return torch.stack(pixels).mean(0)


@pytest.mark.parametrize("network", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("rows", [range(1, 31), [1, 2, 9, 20, 30], [3, 30]], ids=str)
@pytest.mark.parametrize("name", ["cosine", "linear", "jsd"])
def test_it_is_the_mean_squared_distance_of_x_prev_from_the_mean_of_the_step(name, rows, network):
    """E‖x_{t−1} − μ‖²/D, by x_t = √α x_{t−1} + √β ε and the real step's own mean: the best σ² I whatever the mean."""
    full = SCHEDULES[name](30)
    d = Denoiser(network, full, X0, analytic(wrong_mse(network, full), False)).respaced(rows)
    a = d.schedule.alpha_bar.tolist()
    probe = torch.tensor([0.0, 1.0], dtype=torch.float64).reshape(2, 1, 1, 1)
    for t in range(1, d.schedule.T + 1):
        p = p_transition(d.schedule, d(probe, t), probe, t)
        bias, end = p.mean.flatten().tolist()
        slope, alpha = end - bias, a[t] / a[t - 1]
        gap = 1 - slope * math.sqrt(alpha)
        previous = [pixel.marginal(a[t - 1]) for pixel in PIXELS]
        distance = [(gap * m - bias) ** 2 + gap**2 * v + slope**2 * (1 - alpha) for m, v in previous]
        assert float(p.log_var.exp().flatten()[0]) == pytest.approx(sum(distance) / 2, rel=1e-9)


@pytest.mark.parametrize("network", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("rows", [range(1, 31), [1, 2, 9, 20, 30]], ids=str)
def test_no_other_isotropic_variance_has_a_smaller_bound(rows, network):
    """The exact expectation of each term: flat in the error that it is told at the true one, larger on both sides."""
    full = cosine(30)
    mse = wrong_mse(network, full)

    def terms(mse):
        d = Denoiser(network, full, X0, analytic(mse, False)).respaced(rows)
        steps = range(2, d.schedule.T + 1)
        x_t = [q_sample(d.schedule, X_NODES, t, EPS_NODES) for t in steps]
        return torch.stack([WEIGHT @ vlb_term(d, X_NODES, x, t) for t, x in zip(steps, x_t, strict=True)])

    told = mse.clone().requires_grad_()
    bound = terms(told)
    bound.sum().backward()
    assert float((told.grad * mse).abs().max()) < 1e-12 * float(bound.detach().sum())
    for factor in (0.5, 0.9, 1.1, 2.0):
        assert bool((terms(factor * mse) > bound.detach()).all())


@pytest.mark.parametrize("fixed", [FIXED_SMALL, FIXED_LARGE], ids=lambda v: v.name)
def test_the_bound_of_the_exact_network_is_smaller_than_with_a_fixed_variance(fixed):
    full, rows = cosine(1000), range(100, 1001, 100)
    x, eps = X_NODES[..., :1] / PIXELS[0].std * DATA.std, EPS_NODES[..., :1]
    x = x - (WEIGHT @ x.flatten()) + DATA.mean
    bounds = []
    for variance in (analytic(exact_mse(full), False), fixed):
        d = best(full, "v", variance).respaced(rows)
        terms = [WEIGHT @ vlb_term(d, x, q_sample(d.schedule, x, t, eps), t) for t in range(2, 11)]
        bounds.append(float(sum(terms)))
    assert bounds[0] < bounds[1] - 0.1  # bits/dim


# ---- estimated from images ---------------------------------------------------------------------------------------


def gaussian_images(count: int, seed: int = 0) -> torch.Tensor:
    return DATA.mean + DATA.std * normal(count, seed)


@pytest.mark.parametrize("schedule, parameterization", pairs())
def test_the_estimate_agrees_with_the_closed_form_within_its_standard_error(schedule, parameterization):
    """And that error is √(2/(N D)) of the value, the residual being Gaussian; 6 of 1000 would lie 4 away by chance."""
    full = SCHEDULES[schedule](STEPS)
    x0, rows = gaussian_images(2000), [1, 2, 20, 49, 50]
    found = x0_errors(best(full, parameterization, NOTHING), x0, rows, lambda t: normal(2000, 100 + t))
    true = exact_mse(full)
    assert list(found) == rows
    for timestep, error in found.items():
        assert abs(error.value - float(true[timestep])) < 4 * error.standard_error
        assert error.standard_error == pytest.approx(float(true[timestep]) * math.sqrt(2 / (2000 * 18)), rel=0.1)


@pytest.mark.parametrize("parameterization", ["eps", "x0", "mu", "v"])
def test_a_short_chain_with_an_estimated_variance_draws_right(parameterization):
    """512 images of 18 pixels, in float32: 10 steps of the leading grid, 2 %."""
    full = linear(1000)
    d = best(full, parameterization, NOTHING).respaced(spaced(full, "leading", 10))
    x0 = gaussian_images(512).float()
    found = x0_errors(d, x0, range(1, 11), lambda t: normal(512, 100 + t).float())
    assert list(found) == spaced(full, "leading", 10)  # timesteps of the network's chain, whatever chain it is asked on
    drawn = drawn_std(replace(d, variance=analytic(x0_mse_table(found, d), learned=False)))
    assert drawn == pytest.approx(DATA.std, rel=0.02)


def test_what_is_measured_on_a_short_chain_is_what_the_full_one_has_there():
    full, x0, eps = cosine(STEPS), gaussian_images(8), normal(8)
    d = best(full, "v", NOTHING)
    one, other = squared_x0_error(d, x0, 22, eps), squared_x0_error(d.respaced(ROWS["respaced"]), x0, 5, eps)
    torch.testing.assert_close(one, other, rtol=1e-12, atol=0)


def test_the_error_is_that_of_sampling_with_its_clipping():
    schedule, x0, eps = cosine(STEPS), images(8), normal(8)
    plain = Denoiser(lambda x, time: 3 * x, schedule, X0, NOTHING)
    x_t = q_sample(schedule, x0, 30, eps)
    expected = ((3 * x_t).clamp(-1, 1) - x0).square().flatten(1).mean(1)
    torch.testing.assert_close(squared_x0_error(replace(plain, x0_transform=clip), x0, 30, eps), expected)
    assert bool((squared_x0_error(plain, x0, 30, eps) > expected).all())


def test_it_is_added_up_in_float64():
    """10⁶ equal float32 squares: their float32 sum is off in the fifth digit."""
    x0 = torch.zeros(1, 1, 1000, 1000)
    d = Denoiser(lambda x, time: torch.full_like(x, 0.1), cosine(STEPS), X0, NOTHING)
    error = squared_x0_error(d, x0, 30, torch.zeros_like(x0))
    assert error.dtype == torch.float64
    assert float(error) == pytest.approx(float(torch.tensor(0.1).double() ** 2), rel=1e-12)


def test_mean_and_standard_error():
    error = mean_x0_error(torch.tensor([1.0, 2.0, 3.0, 6.0]))
    assert (error.value, error.standard_error) == pytest.approx((3.0, math.sqrt(14 / 3) / 2))


# ---- as a reverse variance ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("variance", [LEARNED, LEARNED_RANGE], ids=lambda v: v.name)
def test_the_second_half_of_a_learned_network_is_split_off_and_not_read(variance):
    full = cosine(STEPS)
    network, table = DATA.network(full, "eps"), exact_mse(full)
    learned = denoiser(full, "eps", variance, network)
    x0, eps = gaussian_images(4), normal(4)
    alone = best(full, "eps", NOTHING)
    assert torch.equal(squared_x0_error(learned, x0, 20, eps), squared_x0_error(alone, x0, 20, eps))
    half = replace(learned, variance=analytic(table, learned=True))(x0, 20)
    plain = best(full, "eps", analytic(table, learned=False))(x0, 20)
    assert torch.equal(half.x0, plain.x0) and torch.equal(half.log_var, plain.log_var)
    with pytest.raises(ValueError, match="must output 2 channels"):
        replace(learned, variance=analytic(table, learned=False))(x0, 20)


@pytest.mark.parametrize("t", [1, 2, STEPS])
def test_one_step_for_the_batch_and_one_per_image_agree_in_float32(t):
    variance, x = analytic(exact_mse(cosine(STEPS)), False), images(4).float()
    one = variance.log_var(cosine(STEPS), x, t, None)
    many = variance.log_var(cosine(STEPS), x, torch.full((4,), t), None)
    assert one.dtype == many.dtype == torch.float32
    assert many.shape == (4, 1, 1, 1) and torch.equal(one.expand_as(many), many)


def test_a_network_trained_on_a_short_chain_is_looked_up_by_its_own_timesteps():
    chain = replace(cosine(STEPS).respace(range(2, STEPS + 1, 2)), full=None)
    d = best(chain, "eps", NOTHING).respaced([1, 5, 20, 25])
    found = x0_errors(d, gaussian_images(2000), range(1, 5), lambda t: normal(2000, 100 + t))
    assert list(found) == [2, 10, 40, 50]
    table = x0_mse_table(found, d)
    assert len(table) == STEPS + 1 and int(table.isfinite().sum()) == 4
    np.testing.assert_allclose(table[list(found)], exact_mse(chain)[list(found)], rtol=0.04)
    assert math.isfinite(drawn_std(replace(d, variance=analytic(table, False))))


def test_the_first_step_has_the_width_of_the_error_itself_even_where_there_is_none():
    schedule, x = cosine(STEPS), images(1)
    for mse, log_var in ((1e-4, math.log(1e-4)), (0.0, math.log(torch.finfo(torch.float32).tiny))):
        table = torch.full((STEPS + 1,), mse, dtype=torch.float64)
        assert float(analytic(table, False).log_var(schedule, x, 1, None)) == pytest.approx(log_var)
    assert bool(analytic(table, False).log_var(schedule, images(STEPS), every_step(schedule), None).isfinite().all())


@pytest.mark.parametrize("t", [7, torch.tensor([3, 7, 9])], ids=["one", "many"])
@pytest.mark.parametrize("table", ["a gap", "too short"])
def test_a_timestep_that_was_not_measured_is_a_sentence(t, table):
    mse = exact_mse(cosine(STEPS))[: 7 if table == "too short" else None].clone()
    mse[7:8] = math.nan
    x = images(1 if isinstance(t, int) else 3)
    with pytest.raises(ValueError, match=r"needs the error of x̂_0 at timestep 7, where it was not measured; measure"):
        analytic(mse, False).log_var(cosine(STEPS), x, t, None)


@pytest.mark.parametrize("bad", [[0.1, -1e-9], [0.1, math.inf], [[0.1]], 0.1], ids=str)
def test_what_is_no_table_of_errors_is_refused(bad):
    with pytest.raises(ValueError, match="must be a list by timestep"):
        analytic(torch.tensor(bad, dtype=torch.float64), False)


# ---- to sample with ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variance", [FIXED_LARGE, analytic(exact_mse(linear(1000)), False)], ids=lambda v: v.name)
def test_the_last_noise_has_a_ceiling_and_nothing_else_changes(variance):
    short = linear(1000).respace(spaced(linear(1000), "leading", 10))
    x, t = images(10), every_step(short)
    plain, quiet = (v.log_var(short, x, t, None).flatten() for v in (variance, with_last_noise(variance, 0.02)))
    assert float(quiet[1]) == pytest.approx(2 * math.log(0.02)) and float(plain[1]) > float(quiet[1])
    assert torch.equal(torch.cat([plain[:1], plain[2:]]), torch.cat([quiet[:1], quiet[2:]]))
    one = [with_last_noise(variance, 0.02).log_var(short, x[:1], k, None) for k in range(1, 11)]
    assert torch.equal(torch.stack([value.flatten()[0] for value in one]), quiet)
    assert torch.equal(with_last_noise(variance, 9.0).log_var(short, x, t, None).flatten(), plain)


@pytest.mark.parametrize("most", [0.02, 0.2])
def test_a_chain_that_ends_noisier_than_the_ceiling_keeps_its_last_noise(most):
    """√(1 − ᾱ_1) = 0.32; its square, 0.105, lies below the second ceiling."""
    short = linear(1000).respace(spaced(linear(1000), "trailing", 10))
    x, t = images(10).float(), every_step(short)
    plain = FIXED_LARGE.log_var(short, x, t, None)
    assert torch.equal(with_last_noise(FIXED_LARGE, most).log_var(short, x, t, None), plain)


def test_a_learned_variance_has_the_ceiling_in_each_pixel():
    schedule, raw = linear(1000), normal(3) - 8
    found = with_last_noise(LEARNED, 0.02).log_var(schedule, images(3), torch.tensor([2, 1, 3]), raw)
    assert torch.equal(found[1:], raw[1:])
    assert torch.equal(found[0], raw[0].clamp(max=2 * math.log(0.02))) and not torch.equal(found[0], raw[0])


def test_it_is_no_choice_of_training():
    assert "analytic" not in VARIANCES
