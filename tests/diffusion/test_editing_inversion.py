"""encode is the inverse of DDIM: measured on two modes whose flow is known, where the network is not linear."""

import math

import numpy as np
import pytest
import torch
from diffusion_cases import denoiser, end_of, no_noise, normal
from mixture_data import MixtureData

from alphabar.diffusion import (
    DDIM,
    FIXED_SMALL,
    LEARNED_RANGE,
    PARAMETERIZATIONS,
    Denoiser,
    clip,
    cosine,
    from_betas,
    linear,
    reverse_process,
    spaced,
)
from alphabar.diffusion.editing import encode
from alphabar.diffusion.schedules import jsd
from alphabar.diffusion.thresholding import DynamicThreshold

DATA = MixtureData()
X0 = DATA.sample(torch.empty(100, 1, 2, 2, dtype=torch.float64), seed=1)


def mixture(schedule, parameterization="eps", rows=None) -> Denoiser:
    d = denoiser(schedule, parameterization, FIXED_SMALL, DATA.network(schedule, parameterization))
    return d if rows is None else d.respaced(rows)


def evenly(schedule, steps: int, parameterization="eps") -> Denoiser:
    return mixture(schedule, parameterization, spaced(schedule, "uniform", steps))


def encoded(d: Denoiser, x0=X0, **options):
    return end_of(encode(d, x0, **options))


def decoded(d: Denoiser, step):
    last = end_of(reverse_process(DDIM(0.0), d, step.x, start=step.t, noise=no_noise))
    return last.x


def round_trip_error(d: Denoiser, **options) -> float:
    return float((decoded(d, encoded(d, **options)) - X0).norm() / X0.norm())


def order(errors: list[float], steps: list[int]) -> float:
    return -float(np.polyfit(np.log(steps), np.log(errors), 1)[0])


@pytest.mark.parametrize("parameterization", PARAMETERIZATIONS)
@pytest.mark.parametrize("schedule", [linear, cosine], ids=lambda s: s.__name__)
def test_encoded_and_decoded_an_image_is_itself_to_less_than_a_percent_in_100_steps(schedule, parameterization):
    assert round_trip_error(evenly(schedule(1000), 100, parameterization)) < 0.0025
    assert round_trip_error(evenly(schedule(1000), 100, parameterization), iterations=1) > 0.01  # the usual inversion


@pytest.mark.parametrize("iterations", [1, 2, 3])
def test_the_error_is_of_the_order_of_the_iterations(iterations):
    steps = [100, 150, 225]
    errors = [round_trip_error(evenly(linear(4000), k), iterations=iterations) for k in steps]
    assert order(errors, steps) == pytest.approx(iterations, abs=0.45), errors


@pytest.mark.parametrize("schedule", [linear, cosine], ids=lambda s: s.__name__)
def test_iterated_to_the_end_it_is_exact(schedule):
    assert round_trip_error(evenly(schedule(1000), 100), iterations=12) < 1e-6


def test_it_goes_where_the_flow_goes():
    """The exact latent is F_T⁻¹(F_0(x_0)); what is left is the first-order error of DDIM itself."""
    steps, errors = [50, 75, 110], []
    for k in steps:
        d = evenly(linear(1000), k)
        exact = DATA.flow(X0, 1.0, float(d.schedule.alpha_bar[-1]))
        errors.append(float((encoded(d, iterations=5).x - exact).norm() / exact.norm()))
    assert errors[-1] < 0.06 and order(errors, steps) == pytest.approx(1.0, abs=0.2), errors


def test_the_latents_of_data_are_noise():
    x_T = encoded(evenly(cosine(1000), 100)).x
    assert float(x_T.mean()) == pytest.approx(0, abs=0.15) and float(x_T.std()) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("parameterization", ["v", "x0", "mu"])
def test_a_chain_that_ends_in_nothing_but_noise_is_encoded_too(parameterization):
    d = evenly(jsd(200), 100, parameterization)
    assert d.schedule.ends_in_pure_noise
    assert round_trip_error(d, iterations=4) < 0.01


@pytest.mark.parametrize("stop", [1, 30, 100])
def test_it_stops_where_it_is_told_and_comes_back_from_there(stop):
    d = evenly(linear(1000), 100)
    steps = list(encode(d, X0, stop=stop, iterations=5))
    assert [step.t for step in steps] == list(range(1, stop + 1))
    torch.testing.assert_close(decoded(d, steps[-1]), X0, rtol=0, atol=2e-3)


def test_one_iteration_is_the_explicit_step():
    d, x = mixture(linear(1000), rows=[1, 50, 400, 1000]), X0
    for step in encode(d, X0, iterations=1):
        t, a = step.t, d.schedule.alpha_bar.tolist()
        kept, eps = math.sqrt(a[t] / a[t - 1]), d(x, t).eps
        expected = kept * x + (math.sqrt(1 - a[t]) - kept * math.sqrt(1 - a[t - 1])) * eps
        torch.testing.assert_close(step.x, expected, rtol=1e-12, atol=1e-12)
        assert torch.equal(step.x0, d(x, t).x0)
        x = step.x


def test_every_step_solves_its_equation():
    d, x = evenly(cosine(1000), 40, "v"), X0
    for step in encode(d, X0, iterations=15):
        x_prev = DDIM(0.0).step(d, step.x, step.t, (), no_noise).x
        torch.testing.assert_close(x_prev, x, rtol=0, atol=1e-5)
        x = step.x


@pytest.mark.parametrize("iterations", [1, 4])
def test_the_network_is_asked_at_the_rows_that_decoding_visits_and_never_at_0(iterations):
    times, scale = [], 0.25

    def network(x, time):
        times.append(float(time[0]))
        return 0.1 * x

    rows = [1, 5, 9, 50]
    d = denoiser(linear(50).respace(rows), "eps", FIXED_SMALL, network, time_scale=scale)
    encoded(d, normal(1), iterations=iterations)
    assert times == [(row - 1) * scale for row in rows for _ in range(iterations)]


def test_the_latent_of_an_image_does_not_depend_on_the_batch():
    d, x0 = denoiser(cosine(50), "v", LEARNED_RANGE), normal(3)
    together = encoded(d, x0).x
    for i in range(3):
        torch.testing.assert_close(encoded(d, x0[i : i + 1]).x, together[i : i + 1], rtol=0, atol=1e-12)


def test_it_is_pure_keeps_the_precision_and_records_no_gradient():
    weight, x0 = torch.tensor(0.5, requires_grad=True), normal(2).float()
    d = denoiser(cosine(50), "v", FIXED_SMALL, lambda x, time: weight * x)
    for step in encode(d, x0):
        assert step.x.dtype == step.x0.dtype == torch.float32 and not step.x.requires_grad
        assert torch.is_grad_enabled()
    assert torch.equal(x0, normal(2).float())


@pytest.mark.parametrize("transform", [clip, DynamicThreshold()], ids=["clip", "dynamic"])
def test_what_cannot_be_inverted_is_refused(transform):
    with pytest.raises(ValueError, match="x0_transform=None"):
        encode(denoiser(linear(50), "eps", FIXED_SMALL, x0_transform=transform), X0)
    with pytest.raises(ValueError, match="single step"):
        encode(denoiser(from_betas([1.0]), "v", FIXED_SMALL), X0)


@pytest.mark.parametrize("stop", [0, 51, -1])
def test_a_level_outside_the_chain_is_refused_at_once(stop):
    with pytest.raises(ValueError, match="50"):
        encode(mixture(linear(50)), X0, stop=stop)


def test_no_iteration_is_refused():
    with pytest.raises(ValueError, match="at least one iteration; got 0"):
        encode(mixture(linear(50)), X0, iterations=0)
