"""What every sampler promises where chains are short, images clipped, x_T nothing but noise, or numbers narrow."""

import math

import pytest
import torch
from diffusion_cases import denoiser, no_noise, normal, replayed, wavy
from gaussian_data import GaussianData
from solver_cases import affine, best

from alphabar.diffusion import DDIM, FIXED_SMALL, SAMPLERS, clip, cosine, guided, linear, reverse_process, spaced
from alphabar.diffusion.samplers import DPMpp2MSDE, DPMpp3MSDE, Euler, Heun, UniPC, network_calls
from alphabar.diffusion.schedule import from_alpha_bar
from alphabar.diffusion.schedules import jsd
from alphabar.diffusion.thresholding import DynamicThreshold
from covering import covering

ALL = [*(make() for make in SAMPLERS.values()), DDIM(1.0), Euler(6.0), Heun(6.0), UniPC(1), UniPC(3)]
EVERY = pytest.mark.parametrize("sampler", ALL, ids=repr)
DATA = GaussianData()


def zero_terminal_cosine(T: int):
    """√ᾱ moved and stretched to end at 0 (Lin et al. 2023, Alg. 1)."""
    root = cosine(T).alpha_bar.sqrt()
    return from_alpha_bar(((root - root[-1]) / (1 - root[-1])) ** 2)


def run(sampler, d, x, noise=None, start=None):
    return list(reverse_process(sampler, d, x, start=start, noise=noise or replayed()))


@covering({"sampler": ALL, "parameterization": ["eps", "x0", "mu", "v"], "transform": [clip, DynamicThreshold(0.9)]})
def test_with_a_transform_every_x0_and_the_end_lie_within_the_range_of_pixels(sampler, parameterization, transform):
    d = denoiser(
        cosine(200).respace(spaced(cosine(200), "half_log_snr", 12)),
        parameterization, FIXED_SMALL, lambda x, time: 3 * wavy(x, time), x0_transform=transform,
    )  # fmt: skip
    steps = run(sampler, d, normal(4))
    assert max(float(step.x0.abs().max()) for step in steps) <= 1
    assert torch.equal(steps[-1].x, steps[-1].x0)
    assert max(float(step.x.abs().max()) for step in steps) < 10  # as much noise as there is, and no more
    assert any(float(step.x0.abs().max()) > 0.99 for step in steps), "nothing was clipped"


@covering({"sampler": ALL, "schedule": [jsd, zero_terminal_cosine], "parameterization": ["x0", "v", "mu"]})
def test_a_chain_from_pure_noise_draws_the_data(sampler, schedule, parameterization):
    """ᾱ_T = 0, where λ = −∞: the limit of every formula, on all rows, by exact moments."""
    chain = schedule(200)
    assert chain.ends_in_pure_noise
    (found,) = affine(sampler, best(DATA, chain, parameterization))
    mean, variance = found.moments(0.0, 1.0)
    assert mean == pytest.approx(DATA.mean, abs=1e-3)
    assert math.sqrt(variance) == pytest.approx(DATA.std, rel=0.06)


@covering({"sampler": ALL, "schedule": [cosine, jsd, zero_terminal_cosine], "T": [1, 2, 3, 4]})
def test_the_shortest_chains_end_in_an_image(sampler, schedule, T):
    for parameterization in ("x0", "v", "mu", "eps"):
        if parameterization == "eps" and schedule(T).ends_in_pure_noise:
            continue
        steps = run(sampler, denoiser(schedule(T), parameterization, FIXED_SMALL, x0_transform=clip), normal(2))
        assert [step.t for step in steps] == list(range(T - 1, -1, -1))
        assert all(bool(step.x.isfinite().all()) for step in steps)
        assert float(steps[-1].x.abs().max()) <= 1


@EVERY
def test_one_step_is_x0_hat(sampler):
    """Without noise, unless EDM's churn raised it before: that is done for every step, the last one too."""
    d = denoiser(cosine(100).respace([60]), "v", FIXED_SMALL)
    churned = getattr(sampler, "churn", 0) > 0
    (step,) = run(sampler, d, normal(2), replayed() if churned else no_noise)
    assert torch.equal(step.x, step.x0)
    assert torch.equal(step.x0, d(normal(2), 1).x0) != churned


@covering({"sampler": [s for s in ALL if not getattr(s, "churn", 0)], "start": [1, 2, 3, 4, 8, 15]})
def test_a_start_in_the_middle_is_the_shorter_chain(sampler, start):
    """Nothing above the start is looked at, but by churn: a shorter chain has another γ = S_churn/K."""
    d = denoiser(cosine(15), "v", FIXED_SMALL)
    shorter = run(sampler, d.respaced(range(1, start + 1)), normal(2))
    for one, other in zip(run(sampler, d, normal(2), start=start), shorter, strict=True):
        assert torch.equal(one.x, other.x) and torch.equal(one.x0, other.x0)


def steps_by_hand(sampler, d, x, memory: int):
    history, noise, steps = (), replayed(), []
    for t in range(d.schedule.T, 0, -1):
        step = sampler.step(d, x, t, history, noise)
        x, history = step.x, (*history, step)[-memory:] if memory else ()
        steps.append(step)
    return steps


@pytest.mark.parametrize("sampler", [s for s in ALL if s.memory], ids=repr)
def test_all_of_its_memory_is_needed(sampler):
    d = denoiser(linear(30).respace([1, 3, 4, 9, 15, 17, 26, 30]), "v", FIXED_SMALL)
    whole, short = (steps_by_hand(sampler, d, normal(2), m)[-1].x for m in (sampler.memory, sampler.memory - 1))
    assert torch.equal(whole, run(sampler, d, normal(2))[-1].x)
    assert float((whole - short).abs().max()) > 1e-4


@EVERY
def test_a_step_is_a_pure_function(sampler):
    d = denoiser(linear(30).respace([1, 3, 4, 9, 15, 17, 26, 30]), "v", FIXED_SMALL)
    steps = steps_by_hand(sampler, d, normal(2), sampler.memory)
    before = [(s.t, s.x.clone(), s.x0.clone()) for s in steps]
    for t in (4, 7, 2):  # in no order, and 4 twice
        history = tuple(s for s in steps if s.t >= t)[-sampler.memory :] if sampler.memory else ()
        x = next(s.x for s in steps if s.t == t)
        kept = x.clone()
        first, second = (sampler.step(d, x, t, history, lambda like: torch.full_like(like, 0.3)) for _ in range(2))
        assert torch.equal(first.x, second.x) and torch.equal(first.x0, second.x0) and first.t == second.t == t - 1
        assert torch.equal(x, kept)
    for step, (t, x, x0) in zip(steps, before, strict=True):
        assert step.t == t and torch.equal(step.x, x) and torch.equal(step.x0, x0)


@pytest.mark.parametrize("parameterization", ["eps", "x0", "v"])
@EVERY
def test_float32_agrees_with_float64(sampler, parameterization):
    chain = cosine(1000).respace(spaced(cosine(1000), "half_log_snr", 15))
    d = denoiser(chain, parameterization, FIXED_SMALL, x0_transform=clip)
    wide, narrow = (run(sampler, d, normal(4).to(dtype)) for dtype in (torch.float64, torch.float32))
    for a, b in zip(wide, narrow, strict=True):
        assert b.x.dtype == b.x0.dtype == torch.float32
        torch.testing.assert_close(b.x.double(), a.x, rtol=0, atol=5e-4)


@covering({"sampler": ALL, "steps": [1, 2, 3, 8]})
def test_the_network_is_called_as_often_as_announced(sampler, steps):
    calls = 0

    def counting(x, time, y=None):
        nonlocal calls
        calls += 1
        return wavy(x, time)

    d = denoiser(cosine(100).respace(spaced(cosine(100), "half_log_snr", steps)), "v", FIXED_SMALL, counting)
    for number, one in enumerate((d, guided(d, torch.tensor([0, 1]), 2, 3.0)), 1):  # a call for 2B images is one call
        run(sampler, one, normal(2))
        assert calls == number * network_calls(sampler, steps)


@pytest.mark.parametrize("eta", [-0.1, 1.5, math.nan])
@pytest.mark.parametrize("name, make", [("ddim", DDIM), ("dpmpp_2m_sde", DPMpp2MSDE), ("dpmpp_3m_sde", DPMpp3MSDE)])
def test_an_eta_that_is_none_is_refused_by_name(name, make, eta):
    assert SAMPLERS[name] is make
    with pytest.raises(ValueError, match=rf"eta of {name} must lie in \[0, 1\]; got {eta:g}"):
        make(eta)


@pytest.mark.parametrize("order", [0, 4, -1])
def test_an_order_that_unipc_lacks_is_refused(order):
    with pytest.raises(ValueError, match=f"order of unipc must be 1, 2 or 3; got {order}"):
        UniPC(order)
