"""What every sampler and the loop that drives it promise."""

from dataclasses import dataclass

import pytest
import torch
from diffusion_cases import STEPS, denoiser, end_of, every_step, no_noise, normal, pairs, replayed, wavy
from gaussian_data import GaussianData

from alphabar.diffusion import (
    DDIM,
    FIXED_LARGE,
    FIXED_SMALL,
    SAMPLERS,
    SCHEDULES,
    VARIANCES,
    Ancestral,
    Denoiser,
    Step,
    clip,
    cosine,
    linear,
    p_transition,
    reverse_process,
)
from alphabar.diffusion.thresholding import DynamicThreshold
from covering import covering

FEW = [1, 4, 11, 25, 26, 44, 50]


def run(sampler, d: Denoiser, x, noise=None, start=None) -> list[Step]:
    return list(reverse_process(sampler, d, x, start=start, noise=noise or replayed()))


@covering(
    {
        "schedule, parameterization": pairs(),
        "transform": [None, clip, DynamicThreshold()],
        "rows": [range(1, STEPS + 1), FEW],
    }
)
def test_ddim_with_eta_1_is_ancestral_sampling_with_the_small_variance(schedule, parameterization, transform, rows):
    schedule = SCHEDULES[schedule](STEPS).respace(rows)
    d = denoiser(schedule, parameterization, FIXED_SMALL, x0_transform=transform)
    ancestral, ddim = run(Ancestral(), d, normal(2)), run(DDIM(eta=1), d, normal(2))
    for a, b in zip(ancestral, ddim, strict=True):
        scale = 1 + float(a.x.abs().max())  # an unclipped ε-chain under cosine passes through large values
        torch.testing.assert_close(a.x, b.x, rtol=0, atol=1e-10 * scale)
        torch.testing.assert_close(a.x0, b.x0, rtol=1e-8, atol=1e-8)


def test_ddim_with_eta_1_is_not_ancestral_sampling_with_the_large_variance():
    d = denoiser(linear(STEPS), "eps", FIXED_LARGE, x0_transform=clip)
    assert not torch.allclose(run(Ancestral(), d, normal(2))[-1].x, run(DDIM(eta=1), d, normal(2))[-1].x, atol=1e-3)


@pytest.mark.parametrize("schedule, parameterization", pairs())
def test_ddim_with_eta_0_draws_nothing(schedule, parameterization):
    d = denoiser(SCHEDULES[schedule](STEPS), parameterization, FIXED_SMALL, x0_transform=clip)
    assert bool(run(DDIM(eta=0), d, normal(2), no_noise)[-1].x.isfinite().all())


@pytest.mark.parametrize("variance", VARIANCES)
def test_ddim_does_not_look_at_the_variance(variance):
    outs = [
        run(DDIM(eta=0.5), denoiser(cosine(STEPS), "v", v), normal(2))[-1].x for v in (FIXED_SMALL, VARIANCES[variance])
    ]
    assert torch.equal(*outs)


@pytest.mark.parametrize("eta", [-0.1, 1.1, float("nan")])
def test_ddim_refuses_an_eta_that_is_none(eta):
    with pytest.raises(ValueError, match="eta"):
        DDIM(eta)


def test_an_ancestral_step_is_a_draw_of_the_transition():
    d, x, z = denoiser(cosine(STEPS), "eps", FIXED_LARGE, x0_transform=clip), normal(2), normal(2, 8)
    step = Ancestral().step(d, x, 30, (), lambda _: z)
    expected = p_transition(d.schedule, d(x, 30), x, 30).sample(z)
    assert torch.equal(step.x, expected) and step.t == 29


@covering({"schedule": SCHEDULES, "name": SAMPLERS, "variance": VARIANCES})
def test_the_last_step_returns_x0_hat_without_noise(schedule, name, variance):
    d = denoiser(SCHEDULES[schedule](STEPS), "v", VARIANCES[variance], x0_transform=clip)
    (last,) = run(SAMPLERS[name](), d, normal(2), no_noise, start=1)
    assert last.t == 0 and torch.equal(last.x, last.x0) and torch.equal(last.x0, d(normal(2), 1).x0)


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_chain_goes_from_T_to_0_one_level_at_a_time(name):
    d = denoiser(linear(30), "eps", FIXED_SMALL, x0_transform=clip)
    steps = run(SAMPLERS[name](), d, normal(2))
    assert [step.t for step in steps] == list(range(29, -1, -1))
    assert all(step.x.shape == step.x0.shape == normal(2).shape for step in steps)


@pytest.mark.parametrize("name", SAMPLERS)
def test_it_starts_where_it_is_told(name):
    d = denoiser(linear(30), "eps", FIXED_SMALL, x0_transform=clip)
    assert [step.t for step in run(SAMPLERS[name](), d, normal(2), start=7)] == [6, 5, 4, 3, 2, 1, 0]
    assert [step.t for step in run(SAMPLERS[name](), d, normal(2), start=30)] == list(range(29, -1, -1))


@pytest.mark.parametrize("name", [name for name in SAMPLERS if not SAMPLERS[name]().memory])
def test_a_chain_interrupted_and_started_again_is_the_same_chain(name):
    """A multistep sampler would start again without its history."""
    sampler = SAMPLERS[name]()
    d, noise = denoiser(cosine(30), "v", FIXED_SMALL), replayed()
    whole = run(sampler, d, normal(2))
    first = next(step for step in reverse_process(sampler, d, normal(2), noise=noise) if step.t == 12)
    assert torch.equal(run(sampler, d, first.x, noise, start=12)[-1].x, whole[-1].x)


@dataclass(frozen=True)
class Remembering:
    memory: int

    def step(self, denoiser, x, t, history, noise):
        assert [step.t for step in history] == list(range(t + len(history) - 1, t - 1, -1))  # newest last
        assert not history or (history[-1].t == t and history[-1].x is x)
        return Step(t - 1, x + 1, torch.full_like(x, float(len(history))))


@pytest.mark.parametrize("memory", [0, 1, 2, 3, 100])
def test_history_is_as_long_as_the_samplers_memory_and_newest_last(memory):
    d = denoiser(linear(30), "eps", FIXED_SMALL)
    steps = run(Remembering(memory), d, torch.zeros(1, 1, 1, 1))
    assert [int(step.x0) for step in steps] == [min(k, memory) for k in range(30)]
    assert float(steps[-1].x) == 30


@pytest.mark.parametrize("name", SAMPLERS)
def test_no_gradient_is_recorded_and_the_callers_mode_is_left_alone(name):
    weight = torch.tensor(0.5, requires_grad=True, dtype=torch.float64)
    d = denoiser(linear(30), "eps", FIXED_SMALL, lambda x, time: weight * x)
    for step in reverse_process(SAMPLERS[name](), d, normal(2), noise=replayed()):
        assert not step.x.requires_grad and not step.x0.requires_grad
        assert torch.is_grad_enabled()


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_start_is_not_changed_in_place(name):
    x = normal(2)
    run(SAMPLERS[name](), denoiser(linear(30), "eps", FIXED_SMALL, x0_transform=clip), x)
    assert torch.equal(x, normal(2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", SAMPLERS)
def test_the_precision_of_x_is_kept(name, dtype):
    d = denoiser(cosine(30), "v", FIXED_SMALL, x0_transform=clip)
    assert all(step.x.dtype == step.x0.dtype == dtype for step in run(SAMPLERS[name](), d, normal(2).to(dtype)))


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_chain_itself_is_the_grid(name):
    """A step goes to the ᾱ of the row below, not to t − T//K as in diffusers' DDIM scheduler; times are the rows."""
    times = []

    def network(x, time):
        times.append(int(time[0]) + 1)
        return wavy(x, time)

    run(SAMPLERS[name](), denoiser(cosine(STEPS).respace(FEW), "v", FIXED_SMALL, network), normal(1))
    assert list(dict.fromkeys(times)) == FEW[::-1]


QUICK = ("ddpm", "heun", "dpmpp_2m_sde")
"""One with noise, one with two calls, one that looks back; exact moments of all are in other files."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.heavy) for name in SAMPLERS]
)
def test_with_the_best_network_and_many_steps_the_samples_are_the_data(name):
    """For any sampler: the mean and the standard deviation of 4000 chains, to 5 sigma plus the bias of 400 steps."""
    data, schedule, count = GaussianData(), cosine(400), 4000
    d = denoiser(schedule, "v", FIXED_SMALL, data.network(schedule, "v"))
    x = end_of(reverse_process(SAMPLERS[name](), d, normal(count, 3, (1, 1, 1)), noise=replayed())).x
    assert float(x.mean()) == pytest.approx(data.mean, abs=5 * data.std / count**0.5 + 0.002)
    assert float(x.std()) == pytest.approx(data.std, rel=5 / (2 * count) ** 0.5 + 0.02)


def test_every_step_of_a_batch_is_the_step_of_each_image():
    d, x = denoiser(cosine(STEPS), "v", FIXED_SMALL), normal(STEPS)
    together = d(x, every_step(d.schedule))
    for t in (1, 20, STEPS):
        alone = d(x[t - 1 : t], t)
        torch.testing.assert_close(together.x0[t - 1 : t], alone.x0, rtol=0, atol=1e-12)
        torch.testing.assert_close(together.eps[t - 1 : t], alone.eps, rtol=0, atol=1e-12)
