"""What each objective minimises, what its gradient reaches, and that it stays a number where the chain is extreme."""

import math
from dataclasses import replace

import pytest
import torch
from diffusion_cases import STEPS, denoiser, images, normal, pairs

from alphabar.diffusion import (
    DECODERS,
    EPS,
    FIXED_LARGE,
    FIXED_SMALL,
    LEARNED_RANGE,
    OBJECTIVES,
    PARAMETERIZATIONS,
    SCHEDULES,
    VARIANCES,
    WEIGHTINGS,
    Denoiser,
    Objective,
    clip,
    cosine,
    linear,
    q_sample,
    training_loss,
)
from alphabar.diffusion.likelihood import vlb_term
from covering import covering

T = torch.tensor([1, 2, 25, STEPS])
SHAPE = (2, 2, 2)
GREYS = ((images(4, shape=SHAPE) + 1) * 127.5).round() / 127.5 - 1
LEARNED = [name for name, variance in VARIANCES.items() if variance.learned]
FIXED = [name for name, variance in VARIANCES.items() if not variance.learned]
FITTING = [
    (kind, name)
    for kind in OBJECTIVES
    for name in VARIANCES
    if kind == "vlb" or (kind == "hybrid") == (name in LEARNED)
]


def reading(output: torch.Tensor, parameterization: str, variance: str, schedule=None) -> Denoiser:
    """A network that says `output` whatever it is asked."""
    return Denoiser(
        lambda x, time: output, schedule or cosine(STEPS), PARAMETERIZATIONS[parameterization], VARIANCES[variance]
    )


def output_like(variance: str, seed: int = 6) -> torch.Tensor:
    """Near the target for no parameterization; the log-variances within (−1, 1)."""
    channels = 2 * SHAPE[0] if variance in LEARNED else SHAPE[0]
    return 0.7 * torch.sin(normal(4, seed, (channels, *SHAPE[1:]))).requires_grad_()


def losses_of(output, kind, parameterization, variance, **more) -> dict[str, torch.Tensor]:
    return training_loss(
        reading(output, parameterization, variance), Objective(kind, **more), GREYS, T, normal(4, shape=SHAPE)
    )


def gradient(value: torch.Tensor, output: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """By the two halves of the output."""
    (both,) = torch.autograd.grad(value.sum(), output, retain_graph=True)
    return tuple(both.chunk(2, dim=1))


@pytest.mark.parametrize("variance", LEARNED)
@pytest.mark.parametrize("parameterization", PARAMETERIZATIONS)
def test_in_hybrid_each_loss_teaches_its_own_half_and_no_other(parameterization, variance):
    output = output_like(variance)
    losses = losses_of(output, "hybrid", parameterization, variance)
    (mse_mean, mse_variance), (vlb_mean, vlb_variance) = (gradient(losses[name], output) for name in ("mse", "vlb"))
    assert bool((mse_variance == 0).all() and (vlb_mean == 0).all())
    for reached in (mse_mean, vlb_variance):
        assert bool((reached.abs().flatten(1).sum(1) > 0).all())  # at every t
    total = gradient(losses["loss"], output)
    torch.testing.assert_close(
        torch.cat(total, 1), torch.cat([mse_mean, 0.001 * vlb_variance], 1), rtol=1e-9, atol=1e-18
    )


@pytest.mark.parametrize("variance", LEARNED)
@pytest.mark.parametrize("parameterization", PARAMETERIZATIONS)
def test_the_bound_alone_teaches_both_halves(parameterization, variance):
    output = output_like(variance)
    for half in gradient(losses_of(output, "vlb", parameterization, variance)["loss"], output):
        assert bool((half.abs().flatten(1).sum(1) > 0).all())


@pytest.mark.parametrize("variance", FIXED)
@pytest.mark.parametrize("parameterization", PARAMETERIZATIONS)
def test_the_bound_of_a_fixed_variance_teaches_the_mean(parameterization, variance):
    output = output_like(variance)
    (both,) = torch.autograd.grad(losses_of(output, "vlb", parameterization, variance)["loss"].sum(), output)
    assert bool((both.abs().flatten(1).sum(1) > 0).all())


@covering({"parameterization": PARAMETERIZATIONS, "kind, variance": FITTING, "weighting": WEIGHTINGS})
def test_autograd_is_finite_differences(parameterization, kind, variance, weighting):
    """For every objective × parameterization × variance × weighting. The hybrid is no gradient of anything: its two
    parts are checked each on its own half, the other held still."""
    if kind == "vlb" and weighting != "none":
        return
    output, more = output_like(variance), {"weighting": weighting}
    if kind != "hybrid":
        f = lambda out: losses_of(out, kind, parameterization, variance, **more)["loss"]  # noqa: E731
        assert torch.autograd.gradcheck(f, output, rtol=1e-4, atol=1e-5)
        return
    mean, raw = (half.detach() for half in output.chunk(2, dim=1))

    def by_mean(moving):
        losses = losses_of(torch.cat([moving, raw], 1), kind, parameterization, variance, **more)
        return losses["loss"] - 0.001 * losses["vlb"]

    def by_variance(moving):
        return losses_of(torch.cat([mean, moving], 1), kind, parameterization, variance, **more)["loss"]

    for f, half in ((by_mean, mean), (by_variance, raw)):
        assert torch.autograd.gradcheck(f, half.clone().requires_grad_(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind, variance", FITTING)
def test_the_parts_add_up(kind, variance):
    output = output_like(variance)
    for weight in (None, 0.02):
        if kind == "simple" and weight is not None:
            continue
        losses = losses_of(output, kind, "eps", variance, vlb_weight=weight)
        used = weight or (0.001 if kind == "hybrid" else 1.0)
        parts = {"simple": 0, "vlb": losses.get("vlb", 0) * used, "hybrid": losses.get("vlb", 0) * used}[kind]
        expected = parts if kind == "vlb" else losses["mse"] + parts
        assert set(losses) == ({"loss", "mse"} if kind == "simple" else {"loss", "mse", "vlb"})
        torch.testing.assert_close(losses["loss"], expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("variance", LEARNED)
@pytest.mark.parametrize("parameterization", PARAMETERIZATIONS)
def test_hybrid_weighs_its_squared_error_as_simple_does(parameterization, variance, weighting):
    output = output_like(variance)
    hybrid = losses_of(output, "hybrid", parameterization, variance, weighting=weighting)
    simple = losses_of(output.chunk(2, 1)[0], "simple", parameterization, "fixed_small", weighting=weighting)
    torch.testing.assert_close(hybrid["loss"] - 0.001 * hybrid["vlb"], simple["loss"], rtol=1e-9, atol=1e-12)
    assert torch.equal(hybrid["mse"], simple["mse"])


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("kind, variance", [pair for pair in FITTING if pair[0] != "simple"])
def test_vlb_is_T_times_the_term_of_the_unclipped_output(kind, variance, decoder):
    output = 3 * output_like(variance)  # far out, so that clipping would show
    free = reading(output, "eps", variance)
    x_t = q_sample(free.schedule, GREYS, T, normal(4, shape=SHAPE))
    term = vlb_term(free, GREYS, x_t, T, DECODERS[decoder])
    args = (Objective(kind, decoder=decoder), GREYS, T, normal(4, shape=SHAPE))
    for d in (free, replace(free, x0_transform=clip)):
        torch.testing.assert_close(training_loss(d, *args)["vlb"], STEPS * term, rtol=1e-12, atol=0)
    clipped = vlb_term(replace(free, x0_transform=clip), GREYS, x_t, T, DECODERS[decoder])
    assert not torch.allclose(clipped, term)


@covering({"schedule, parameterization": pairs(), "kind, variance": [pair for pair in FITTING if pair[0] != "simple"]})
def test_every_objective_on_every_schedule_has_finite_float32_gradients_at_both_ends(
    schedule, parameterization, kind, variance
):
    output = output_like(variance).detach().float().requires_grad_()
    d = reading(output, parameterization, variance, SCHEDULES[schedule](STEPS))
    losses = training_loss(d, Objective(kind), GREYS.float(), T, normal(4, shape=SHAPE).float())
    losses["loss"].sum().backward()
    assert all(loss.dtype == torch.float32 and bool(loss.isfinite().all()) for loss in losses.values())
    assert output.grad.dtype == torch.float32 and bool(output.grad.isfinite().all())


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e3, 1e6])
@pytest.mark.parametrize("t", [1, 2, 3999, 4000])
@pytest.mark.parametrize("kind", ["vlb", "hybrid"])
def test_a_long_cosine_chain_stays_finite_whatever_a_young_network_says(kind, t, scale):
    """ᾱ_T = 1.5e-10 there: an ε off by 1e6 is an x̂_0 off by 1e11; at t = 1, a pixel a million σ out."""
    output = (scale * torch.cat([normal(4, 6, SHAPE), torch.zeros(4, *SHAPE)], 1)).float().requires_grad_()
    d = reading(output, "eps", "learned_range", cosine(4000))
    losses = training_loss(d, Objective(kind), GREYS.float(), torch.full((4,), t), normal(4, shape=SHAPE).float())
    losses["loss"].sum().backward()
    assert bool(losses["loss"].isfinite().all() and output.grad.isfinite().all())


@pytest.mark.parametrize(
    "schedule, t, bits",
    [
        (linear, 1, 2.41),
        (linear, 2, 0.63),
        (linear, 501, 0.008),
        (linear, 1000, 0.0148),
        (cosine, 999, 2.1),
        (cosine, 1000, 724),
    ],
)
def test_the_size_of_a_term_at_initialisation_is_the_fact_sheets(schedule, t, bits):
    """§1.6: zero output, v = 0, unclipped; the sheet's noise and image are others, so to 5 % only."""
    silent = Denoiser(lambda x, time: torch.cat([0 * x, 0 * x], 1), schedule(1000), EPS, LEARNED_RANGE)
    x0, eps = images(64, 0, (3, 8, 8)), normal(64, 1, (3, 8, 8))
    term = vlb_term(silent, x0, q_sample(silent.schedule, x0, t, eps), t)
    assert float(term.mean()) == pytest.approx(bits, rel=0.05)


def test_the_bound_weighs_the_squared_error_of_eps_as_ddpm_says():
    """β²/(2σ²α(1 − ᾱ)), DDPM Eq. 12: not monotone, with its least value at t = 349 (§1.6)."""
    schedule, off = linear(1000), 0.1
    x0, eps = images(1, shape=SHAPE), normal(1, shape=SHAPE)
    published = {2: 0.273, 10: 0.0737, 100: 0.0101, 300: 0.00505, 349: 0.00497, 500: 0.0055, 1000: 0.0102}

    def weight(t: int) -> float:
        nothing, wrong = (
            vlb_term(
                Denoiser(lambda x, time, shift=shift: eps + shift, schedule, EPS, FIXED_LARGE),
                x0, q_sample(schedule, x0, t, eps), t,
            )
            for shift in (0, off)
        )  # fmt: skip
        return float(wrong - nothing) * math.log(2) / off**2

    assert [weight(t) for t in published] == pytest.approx(list(published.values()), rel=6e-3)
    least = min(range(340, 360), key=weight)
    assert least == 349


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("kind, variance", FITTING)
def test_nothing_waits_for_the_device(kind, variance, weighting):
    """On the device 'meta' there are no values that the host could wait for: reading one raises."""
    output, d = output_like(variance).to("meta").detach().requires_grad_(), cosine(STEPS).to("meta")
    objective = Objective(kind, weighting="none" if kind == "vlb" else weighting)
    meta = (x.to("meta") for x in (GREYS, T, normal(4, shape=SHAPE)))
    training_loss(reading(output, "v", variance, d), objective, *meta)["loss"].sum().backward()
    assert output.grad.shape == output.shape


@pytest.mark.parametrize("objective", ["simple", "vlb"])
def test_a_chain_of_one_step_trains(objective):
    d = denoiser(cosine(1), "v", FIXED_SMALL)
    losses = training_loss(d, Objective(objective), GREYS, torch.ones(4, dtype=torch.int64), normal(4, shape=SHAPE))
    assert bool(losses["loss"].isfinite().all())


@pytest.mark.parametrize("variance", LEARNED)
def test_simple_refuses_a_variance_that_it_would_never_teach(variance):
    with pytest.raises(ValueError, match=f"'{variance}' would never be learned; use the objective 'hybrid'"):
        losses_of(output_like(variance), "simple", "eps", variance)


@pytest.mark.parametrize("variance", FIXED)
def test_hybrid_refuses_a_variance_that_has_nothing_to_learn(variance):
    with pytest.raises(ValueError, match=f"'{variance}' has nothing to learn; use the objective 'simple'"):
        losses_of(output_like(variance), "hybrid", "eps", variance)


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"kind": "kl"}, "no objective 'kl'.*simple, vlb, hybrid"),
        ({"weighting": "snr"}, "no weighting 'snr'.*none, min_snr, p2"),
        ({"decoder": "tanh"}, "no decoder 'tanh'.*exact, reference"),
        ({"vlb_weight": 0.001}, "'simple' does not use the bound"),
        ({"kind": "vlb", "weighting": "p2"}, "'vlb' has no squared error to weight by 'p2'"),
        ({"kind": "vlb", "vlb_weight": 0.0}, "vlb_weight must be positive; got 0"),
        ({"kind": "hybrid", "vlb_weight": math.nan}, "vlb_weight must be positive; got nan"),
        ({"weighting": "min_snr", "min_snr_gamma": -1.0}, "min_snr_gamma must be positive; got -1"),
        ({"weighting": "p2", "p2_k": 0.0}, "p2_k must be positive; got 0"),
        ({"weighting": "p2", "p2_gamma": -0.5}, "p2_gamma must not be negative; got -0.5"),
    ],
)
def test_settings_that_mean_nothing_are_refused_in_a_sentence(settings, words):
    with pytest.raises(ValueError, match=words):
        Objective(**settings)
