"""The loop over the terms: what stands in which column, and that it can stop and go on."""

import math
from dataclasses import replace

import pytest
import torch
from diffusion_cases import STEPS, denoiser, images, normal, pairs, wide

from alphabar.diffusion import (
    DECODERS,
    FIXED_SMALL,
    PARAMETERIZATIONS,
    SCHEDULES,
    VARIANCES,
    X0,
    Denoiser,
    Objective,
    VariationalBound,
    clip,
    cosine,
    linear,
    p_transition,
    q_posterior,
    q_sample,
    training_loss,
    variational_bound,
    vlb_terms,
)
from alphabar.diffusion.decoder import reference_log_prob
from alphabar.diffusion.likelihood import Term, bound_of, prior_term, vlb_term
from covering import covering

GREYS = ((images(3) + 1) * 127.5).round() / 127.5 - 1
"""On the uint8 grid."""


def noise(t: int) -> torch.Tensor:
    """A function of t alone."""
    return normal(3, seed=1000 + t)


def whole(d: Denoiser, **more) -> VariationalBound:
    return variational_bound(d, GREYS, noise=noise, **more)


@covering({"schedule, parameterization": pairs(), "variance": VARIANCES})
def test_every_term_by_the_definition_in_the_column_of_its_t(schedule, parameterization, variance):
    d = denoiser(SCHEDULES[schedule](STEPS), parameterization, VARIANCES[variance], x0_transform=clip)
    bound = whole(d)
    assert bound.terms.shape == bound.x0_mse.shape == bound.eps_mse.shape == (3, STEPS)
    for t in (1, 2, 20, STEPS):
        x_t = q_sample(d.schedule, GREYS, t, noise(t))
        prediction = d(x_t, t)
        p = p_transition(d.schedule, prediction, x_t, t)
        nats = q_posterior(d.schedule, GREYS, x_t, t).kl(p) if t > 1 else -DECODERS["exact"](p, GREYS)
        column = t - 1
        torch.testing.assert_close(bound.terms[:, column], nats.mean((1, 2, 3)) / math.log(2))
        torch.testing.assert_close(bound.x0_mse[:, column], ((prediction.x0 - GREYS) ** 2).mean((1, 2, 3)))
        torch.testing.assert_close(bound.eps_mse[:, column], ((prediction.eps - noise(t)) ** 2).mean((1, 2, 3)))
    torch.testing.assert_close(bound.total, bound.prior + bound.terms.sum(1))
    torch.testing.assert_close(bound.rate + bound.distortion, bound.total)
    assert torch.equal(bound.distortion, bound.terms[:, 0]) and torch.equal(bound.prior, prior_term(d.schedule, GREYS))


@pytest.mark.parametrize("wrong", [1, 2, 13, 30])
def test_a_network_that_errs_at_one_step_shows_it_in_one_column(wrong):
    """The network tells x_0 itself but for one t: all other columns are 0, but the decoder's."""
    right = Denoiser(lambda x, time: GREYS, linear(30), X0, FIXED_SMALL)
    bound = whole(replace(right, network=lambda x, time: GREYS + 0.5 * (time == wrong - 1).reshape(-1, 1, 1, 1)))
    for columns in (bound.terms[:, 1:], bound.x0_mse, bound.eps_mse):
        first = 1 if columns.shape[1] == 30 else 2
        large = [column + first for column in range(columns.shape[1]) if float(columns[:, column].max()) > 1e-12]
        assert large == [wrong] * (wrong >= first)
    assert bool((bound.distortion > whole(right).distortion + 1e-3).all()) == (wrong == 1)


def test_the_loop_goes_down_and_can_be_watched():
    assert [term.t for term in vlb_terms(denoiser(linear(30), "eps", FIXED_SMALL), GREYS, noise=noise)] == [
        *range(30, 0, -1)
    ]


@pytest.mark.parametrize("stop", [1, 7, 29])
def test_a_bound_interrupted_and_resumed_is_the_same_to_the_bit(stop):
    d = denoiser(cosine(30), "v", VARIANCES["learned_range"], x0_transform=clip)
    done = []
    for term in vlb_terms(d, GREYS, noise=noise):
        done.append(term)
        if term.t == stop + 1:
            break
    resumed = bound_of(prior_term(d.schedule, GREYS), [*vlb_terms(d, GREYS, start=stop, noise=noise), *done])
    straight = whole(d)
    assert all(torch.equal(getattr(resumed, name), getattr(straight, name)) for name in vars(straight))


@pytest.mark.parametrize("ts", [[], [2, 3], [1, 3], [1, 1, 2]])
def test_a_bound_with_a_term_missing_is_refused(ts):
    zeros = torch.zeros(3)
    with pytest.raises(ValueError, match="each of the terms"):
        bound_of(zeros, [Term(t, zeros, zeros, zeros) for t in ts])


@pytest.mark.parametrize("start", [-1, 0, 31])
def test_a_start_outside_the_chain_is_refused(start):
    with pytest.raises(ValueError, match=rf"1\.\.30.*got {start}"):
        next(vlb_terms(denoiser(linear(30), "eps", FIXED_SMALL), GREYS, start=start, noise=noise))


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("variance", VARIANCES)
@pytest.mark.parametrize("parameterization", PARAMETERIZATIONS)
def test_one_step_for_the_batch_and_one_per_image_agree(parameterization, variance, decoder):
    """Both kinds of term are computed and selected where the steps are mixed."""
    d = denoiser(cosine(STEPS), parameterization, VARIANCES[variance])
    x0, t = torch.cat([GREYS, GREYS[:1]]), torch.tensor([1, 2, 30, STEPS])
    x_t = q_sample(d.schedule, x0, t, normal(4))
    mixed = vlb_term(d, x0, x_t, t, DECODERS[decoder])
    for k, step in enumerate(t.tolist()):
        one = slice(k, k + 1)
        alone = vlb_term(d, x0[one], x_t[one], step, DECODERS[decoder])
        torch.testing.assert_close(mixed[one], alone, rtol=1e-12, atol=0)


@pytest.mark.parametrize("parameterization", PARAMETERIZATIONS)
def test_the_mean_over_t_of_the_loss_is_the_bound_without_its_prior(parameterization):
    """One draw of t is an unbiased estimate of it: "vlb" is T · L_{t−1}. Evaluation clips, training does not."""
    d = denoiser(cosine(STEPS), parameterization, VARIANCES["learned_range"], x0_transform=clip)
    bound = whole(replace(d, x0_transform=None))
    losses = [
        training_loss(d, Objective("vlb"), GREYS, torch.full((3,), t), noise(t))["vlb"] for t in range(1, STEPS + 1)
    ]
    torch.testing.assert_close(torch.stack(losses).mean(0), bound.terms.sum(1), rtol=1e-10, atol=0)
    assert float((whole(d).total / bound.total - 1).abs().max()) > 1e-4


def test_each_image_has_its_own_bound():
    d = denoiser(linear(30), "eps", VARIANCES["learned_range"], x0_transform=clip)
    together, alone = whole(d), variational_bound(d, GREYS[1:2], noise=lambda t: noise(t)[1:2])
    torch.testing.assert_close(together.total[1:2], alone.total, rtol=1e-12, atol=0)


@pytest.mark.parametrize("schedule", [linear, cosine], ids=lambda s: s.__name__)
def test_a_float32_network_costs_no_digits(schedule):
    """In float32 itself the KL of nearly equal Gaussians is 22 % off at t = 999 (§1.15): here it is a float64 KL of
    float32 numbers, so the float64 result of the same rounded x_0, ε and output is met everywhere."""
    d = denoiser(schedule(1000), "x0", VARIANCES["fixed_large"], lambda x, time: (0.9 * GREYS).to(x.dtype))
    x0, wide_x0 = GREYS.float(), GREYS.float().double()
    for t in (1, 2, 500, 999, 1000):
        eps = noise(t).float()
        narrow = vlb_term(d, x0, q_sample(d.schedule, x0, t, eps), t)
        exact = vlb_term(d, wide_x0, q_sample(d.schedule, wide_x0, t, eps.double()), t)
        assert narrow.dtype == torch.float64
        torch.testing.assert_close(narrow, exact, rtol=2e-6, atol=0)


def test_no_gradient_is_recorded_by_the_loop_but_a_single_term_has_one():
    weight = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    d = denoiser(linear(30), "eps", FIXED_SMALL, lambda x, time: weight * x)
    for term in vlb_terms(d, GREYS, noise=noise):
        assert not (term.vlb.requires_grad or term.x0_mse.requires_grad) and torch.is_grad_enabled()
    assert vlb_term(d, GREYS, q_sample(d.schedule, GREYS, 9, noise(9)), 9).requires_grad


def test_the_decoder_is_the_one_asked_for():
    d = denoiser(linear(30), "eps", FIXED_SMALL, x0_transform=clip)
    exact, reference = whole(d), whole(d, decoder=reference_log_prob)
    assert torch.equal(exact.terms[:, 1:], reference.terms[:, 1:])
    assert not torch.equal(exact.distortion, reference.distortion)


@pytest.mark.parametrize("variance", VARIANCES)
def test_the_network_is_called_once_per_term(variance):
    calls = []
    v = VARIANCES[variance]
    d = Denoiser(wide(lambda x, time: calls.append(int(time[0])) or x, v), linear(30), X0, v)
    whole(d)
    assert calls == [*range(29, -1, -1)]
