"""The denoiser: what the network is told, and how its output is read."""

from dataclasses import replace

import pytest
import torch
from diffusion_cases import STEPS, denoiser, every_step, images, normal, pairs, wavy
from torch import nn

from alphabar.diffusion import (
    EPS,
    FIXED_LARGE,
    FIXED_SMALL,
    PARAMETERIZATIONS,
    SCHEDULES,
    VARIANCES,
    X0,
    Denoiser,
    ReverseVariance,
    V,
    clip,
    cosine,
    linear,
    p_transition,
    q_posterior,
    q_sample,
    spaced,
)
from alphabar.diffusion.parameterization import x0_to_eps
from alphabar.diffusion.schedules import jsd


class Recorder:
    """A network that remembers the times it was told."""

    def __init__(self) -> None:
        self.times: list[torch.Tensor] = []

    def __call__(self, x, time):
        self.times.append(time)
        return x


def told(schedule, t, batch=3, **more) -> torch.Tensor:
    network = Recorder()
    Denoiser(network, schedule, EPS, FIXED_SMALL, **more)(images(batch), t)
    (time,) = network.times
    return time


def test_the_network_counts_from_zero_and_is_told_once_per_image():
    assert told(linear(1000), 1).tolist() == [0, 0, 0]
    assert told(linear(1000), 1000).tolist() == [999, 999, 999]
    assert told(linear(1000), torch.tensor([1, 500, 1000])).tolist() == [0, 499, 999]


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_time_has_one_entry_per_image_even_for_one_image(batch):
    assert told(linear(50), 7, batch).shape == (batch,)
    assert told(linear(50), torch.full((batch,), 7), batch).shape == (batch,)


def test_a_respaced_chain_tells_the_steps_of_the_original_one():
    short = cosine(4000).respace(spaced(cosine(4000), "uniform", 250))
    assert told(short, 250).tolist() == [3999] * 3 and told(short, 1).tolist() == [0] * 3
    assert told(short, torch.tensor([1, 2, 250])).tolist() == [0, 16, 3999]


def test_rescaled_time_is_improved_diffusions():
    short = cosine(4000).respace(spaced(cosine(4000), "uniform", 250))
    assert told(short, 250, time_scale=1000 / 4000).tolist() == [999.75] * 3
    assert told(short, 1, time_scale=1000 / 4000).tolist() == [0.0] * 3


@pytest.mark.parametrize("parameterization", ["x0", "v", "mu"])
def test_pure_noise_at_the_end_is_fine_without_eps(parameterization):
    prediction = denoiser(jsd(50), parameterization, FIXED_SMALL)(normal(2), 50)
    assert bool(prediction.x0.isfinite().all() and prediction.eps.isfinite().all())


def test_eps_is_refused_where_nothing_of_the_image_is_left():
    with pytest.raises(ValueError, match=r"'eps'.*choose 'x0' or 'v'"):
        Denoiser(wavy, jsd(50), EPS, FIXED_SMALL)


def test_eps_is_refused_when_the_schedule_is_swapped_later():
    with pytest.raises(ValueError, match="ᾱ_T = 0"):
        replace(Denoiser(wavy, linear(50), EPS, FIXED_SMALL), schedule=jsd(50))
    assert replace(Denoiser(wavy, linear(50), V, FIXED_SMALL), schedule=jsd(50)).schedule.ends_in_pure_noise


@pytest.mark.parametrize("schedule, parameterization", pairs())
def test_x0_and_eps_of_a_prediction_always_explain_x_t(schedule, parameterization):
    schedule = SCHEDULES[schedule](STEPS)
    t, x_t = every_step(schedule), normal(STEPS)
    for transform in (None, clip):
        prediction = denoiser(schedule, parameterization, FIXED_SMALL, x0_transform=transform)(x_t, t)
        torch.testing.assert_close(q_sample(schedule, prediction.x0, t, prediction.eps), x_t, rtol=0, atol=1e-9)


def test_eps_is_derived_again_from_the_clipped_x0():
    schedule, x_t = linear(50), normal(2)
    loud = Denoiser(lambda x, time: 10 * torch.ones_like(x), schedule, EPS, FIXED_SMALL)
    clipped = replace(loud, x0_transform=clip)(x_t, 40)
    assert float(clipped.x0.abs().max()) == 1 and float(loud(x_t, 40).x0.abs().max()) > 1
    assert torch.equal(clipped.eps, x0_to_eps(schedule, clipped.x0, x_t, 40))
    assert float((clipped.eps - 10).abs().min()) > 1  # not the network's own
    torch.testing.assert_close(loud(x_t, 40).eps, torch.full_like(x_t, 10.0))


def test_the_reverse_step_is_the_posterior_of_the_clipped_x0_with_the_denoisers_variance():
    schedule, x_t = linear(50), 3 * normal(2)
    prediction = Denoiser(wavy, schedule, EPS, FIXED_LARGE, x0_transform=clip)(x_t, 40)
    p = p_transition(schedule, prediction, x_t, 40)
    assert torch.equal(p.mean, q_posterior(schedule, prediction.x0, x_t, 40).mean)
    assert float(p.log_var) == pytest.approx(float(schedule.beta[40].log()))


def test_labels_are_bound_and_the_original_is_untouched():
    class Conditional(nn.Module):
        def forward(self, x, time, y=None):
            return x if y is None else x + y.reshape(-1, 1, 1, 1)

    x = images(2)
    free = Denoiser(Conditional(), linear(50), X0, FIXED_SMALL)
    bound = free.given(torch.tensor([3, 5]))
    assert torch.equal(bound(x, 9).x0, x + torch.tensor([3.0, 5.0]).reshape(-1, 1, 1, 1))
    assert torch.equal(free(x, 9).x0, x)
    assert torch.equal(bound.given(torch.tensor([0, 0]))(x, 9).x0, x)
    assert torch.equal(bound.respaced([1, 9])(x, 2).x0, bound(x, 9).x0)


def test_a_learned_variance_reads_the_second_half_of_the_channels():
    seen = {}

    def log_var(schedule, x_t, t, raw):
        seen["raw"] = raw
        return -1.0 * raw

    learned = ReverseVariance("test", True, log_var)
    x_t, halves = normal(2), (normal(2, 7), normal(2, 8))
    reading = Denoiser(lambda x, time: torch.cat(halves, dim=1), linear(50), EPS, learned)
    output, prediction = reading.output(x_t, 3), reading(x_t, 3)
    assert torch.equal(output.mean, halves[0]) and torch.equal(output.variance, halves[1])
    assert torch.equal(seen["raw"], halves[1]) and torch.equal(prediction.log_var, -halves[1])
    torch.testing.assert_close(prediction.eps, halves[0], rtol=0, atol=1e-10)
    assert prediction.x0.shape == x_t.shape


@pytest.mark.parametrize("variance", VARIANCES)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_variance_fits_the_image_whatever_its_channels(variance, channels):
    x_t = normal(4, shape=(channels, 5, 6))
    prediction = denoiser(cosine(50), "eps", VARIANCES[variance])(x_t, torch.tensor([1, 2, 30, 50]))
    assert prediction.x0.shape == prediction.eps.shape == x_t.shape
    assert torch.broadcast_shapes(prediction.log_var.shape, x_t.shape) == x_t.shape


@pytest.mark.parametrize("variance", [FIXED_SMALL, ReverseVariance("learned", True, lambda s, x, t, raw: raw)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_network_with_the_wrong_number_of_channels_is_refused(variance, channels):
    """Otherwise a grey image and two output channels broadcast silently, as in diffusers' DPM++ scheduler."""
    x_t = normal(2, shape=(channels, 4, 4))
    wrong = channels if variance.learned else 2 * channels
    strange = Denoiser(lambda x, time: normal(2, shape=(wrong, 4, 4)), linear(50), X0, variance)
    with pytest.raises(ValueError, match=str(wrong)):
        strange(x_t, 3)


@pytest.mark.parametrize("parameterization", PARAMETERIZATIONS)
def test_an_output_in_half_precision_is_read_in_the_precision_of_x_t(parameterization):
    """Coefficients times a bf16 output would be rounded to bf16 when t is an int, and not when it is a tensor."""
    half = denoiser(linear(50), parameterization, FIXED_SMALL, lambda x, time: wavy(x, time).bfloat16())
    x_t = normal(2).float()
    one, many = half(x_t, 20), half(x_t, torch.tensor([20, 20]))
    assert one.x0.dtype == many.x0.dtype == torch.float32
    assert torch.equal(one.x0, many.x0) and torch.equal(one.eps, many.eps)


def test_a_respaced_mu_network_is_right_or_refused():
    """It was trained to output E[x_{t−1} | x_t] of the full chain; the short chain's t − 1 is another step."""
    schedule, x0, eps = cosine(100), images(2), normal(2)
    x_t, t = q_sample(schedule, x0, 60, eps), 60
    mu = PARAMETERIZATIONS["mu"].target(schedule, x0, eps, t)
    full = denoiser(schedule, "mu", FIXED_SMALL, lambda x, time: mu)
    torch.testing.assert_close(full(x_t, t).x0, x0)
    try:
        short = full.respaced([20, 40, 60, 80, 100])
    except ValueError:
        return
    torch.testing.assert_close(short(x_t, 3).x0, x0)
