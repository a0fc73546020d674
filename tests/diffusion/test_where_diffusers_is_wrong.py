"""Where our samplers are not those of diffusers 0.42.1: what it does there, and that ours do what is right.

A test that fails with "diffusers has fixed ..." is good news: the case belongs to test_parity_with_diffusers.py then.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from diffusers_chains import chain_of, diffusers_scheduler, rows, scheduler_states, twin
from diffusion_cases import denoiser, end_of, no_noise, normal, replayed, wavy, wide

from alphabar.diffusion import (
    DDIM,
    FIXED_LARGE,
    FIXED_SMALL,
    LEARNED,
    LEARNED_RANGE,
    SAMPLERS,
    Ancestral,
    NoiseSchedule,
    linear,
    reverse_process,
    spaced,
)
from alphabar.diffusion.samplers import Euler

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # numpy on diffusers' tensors


def still_wrong(wrong: bool, what: str) -> None:
    assert wrong, f"diffusers has fixed {what}, move it to the parity tests"


def landed(scheduler: Any, t: int) -> int:
    """The row that a deterministic step from timestep t reaches: with x̂_0 = 0, x_s = √(1 − ᾱ_s) ε̂."""
    x = (1 - scheduler.alphas_cumprod[t]).sqrt().reshape(1, 1, 1, 1)
    there = scheduler.step(0 * x, t, x).prev_sample
    return int((chain_of(scheduler).alpha_bar - (1 - there.flatten() ** 2)).abs().argmin())


@pytest.mark.parametrize(
    ("spacing", "steps", "astray", "end"),
    [("linspace", 10, 9, 0), ("linspace", 50, 19, 0), ("trailing", 13, 11, 1), ("trailing", 64, 39, 1)],
)
def test_ddim_scheduler_strays_from_its_own_timesteps_and_ours_does_not(spacing, steps, astray, end):
    """It goes on at t − ⌊T/K⌋, whatever the next timestep is; ours, at the next one of the list."""
    scheduler = diffusers_scheduler("DDIMScheduler", steps, timestep_spacing=spacing, prediction_type="sample")
    wanted = [*rows(scheduler)[-2::-1], 0]
    reached = [landed(scheduler, int(t)) for t in scheduler.timesteps]
    *wrong, last = [a != b for a, b in zip(reached, wanted, strict=True)]
    still_wrong(sum(wrong) == astray and last == (end != 0), f"the steps of DDIM on '{spacing}' ({sum(wrong)} wrong)")
    assert reached[-1] == end  # 1: the image keeps the noise of the first timestep

    alpha_bar, x = chain_of(scheduler).alpha_bar.tolist(), normal(3)
    ours = reverse_process(DDIM(), twin(scheduler), x, noise=no_noise)
    for t, s, step in zip(scheduler.timesteps.tolist(), wanted, ours, strict=True):
        x0 = wavy(x, torch.full((3,), t))
        eps = (x - math.sqrt(alpha_bar[t + 1]) * x0) / math.sqrt(1 - alpha_bar[t + 1])
        x = math.sqrt(alpha_bar[s]) * x0 + math.sqrt(1 - alpha_bar[s]) * eps
        assert torch.allclose(step.x, x, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("steps", "first"), [(10, 900), (50, 980), (64, 945)])
def test_default_grid_of_diffusers_leaves_out_the_noisiest_steps_and_ours_does_not(steps, first):
    """It starts the chain from N(0, I) all the same."""
    for name in ("DDPMScheduler", "DDIMScheduler"):
        scheduler = diffusers_scheduler(name, steps)
        still_wrong(int(scheduler.timesteps[0]) == first, f"the default timesteps of {name}")
    for spacing in ("uniform", "trailing"):
        assert spaced(linear(1000), spacing, steps)[-1] == 1000


@pytest.mark.parametrize("variance", [FIXED_LARGE, LEARNED_RANGE], ids=lambda v: v.name)
def test_ddpm_scheduler_adds_noise_to_the_finished_image_and_ours_does_not(variance):
    """If the list does not end at t = 0; DDPM Alg. 2 adds none in the last step. (By fixed_small it is 1e-10.)"""
    scheduler = diffusers_scheduler(
        "DDPMScheduler", 10, timestep_spacing="trailing", prediction_type="sample", variance_type=variance.name
    )
    zero = wide(lambda x, time: 0 * x, variance)
    x = normal(3)
    theirs = end_of(scheduler_states(scheduler, zero, x))
    still_wrong(float(theirs.std()) > 0.05, "the noise of DDPM's last step")
    ours = end_of(
        reverse_process(Ancestral(), twin(scheduler, variance, network=lambda x, time: 0 * x), x, noise=replayed())
    )
    assert bool((ours.x == 0).all())


@pytest.mark.parametrize("variance_type", ["fixed_large_log", "learned"])
def test_ddpm_scheduler_takes_a_log_variance_for_a_variance_and_ours_does_not(variance_type):
    """√ of a negative number."""
    scheduler = diffusers_scheduler("DDPMScheduler", 10, variance_type=variance_type)
    variance = LEARNED if variance_type == "learned" else FIXED_LARGE

    def network(x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        log_var = torch.full_like(x, math.log(0.01))
        return torch.cat([wavy(x, time), log_var], dim=1) if variance.learned else wavy(x, time)

    first = next(scheduler_states(scheduler, network, normal(3)))
    still_wrong(bool(first.isnan().all()), f"the variance_type '{variance_type}'")
    ours = denoiser(chain_of(scheduler), "eps", variance).respaced(rows(scheduler))
    assert bool(Ancestral().step(ours, normal(3), ours.schedule.T, (), replayed()).x.isfinite().all())


LEARNED_FAILS = {
    "DDIMScheduler": {},
    "PNDMScheduler": {"skip_prk_steps": True},
    "UniPCMultistepScheduler": {},
    "DPMSolverMultistepScheduler": {},
    "DPMSolverSinglestepScheduler": {"lower_order_final": True},
    "EulerDiscreteScheduler": {},
    "HeunDiscreteScheduler": {},
}


def shape_of_a_step(name: str, x: torch.Tensor, **config: Any) -> tuple[int, ...] | None:
    """Of the image after one step on a network with learned variances; None if it crashes."""
    states = scheduler_states(diffusers_scheduler(name, 10, **config), wide(wavy, LEARNED_RANGE), x)
    try:
        return tuple(next(states).shape)
    except RuntimeError:
        return None


@pytest.mark.parametrize(("name", "config"), LEARNED_FAILS.items(), ids=LEARNED_FAILS)
def test_learned_variances_break_every_other_scheduler(name, config):
    """RGB: an error about shapes; gray: an image of two channels. DPM++, if told of the variance, takes three channels
    for the mean: right for RGB, two again for gray.
    """
    still_wrong(shape_of_a_step(name, normal(2, shape=(3, 4, 4)), **config) is None, f"{name} on learned variances")
    told = {"variance_type": "learned_range"} if name.startswith("DPMSolver") else {}
    if told:
        assert shape_of_a_step(name, normal(2, shape=(3, 4, 4)), **config, **told) == (2, 3, 4, 4)
    gray = shape_of_a_step(name, normal(2, shape=(1, 4, 4)), **config, **told)
    still_wrong(gray == (2, 2, 4, 4), f"{name} on learned variances of gray images")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", [name for name in SAMPLERS if name != "ddpm"])
def test_our_samplers_leave_a_learned_variance_alone(name, channels):
    chain, x = linear(1000).respace(range(1, 1001, 111)), normal(2, shape=(channels, 4, 4))
    plain = end_of(reverse_process(SAMPLERS[name](), denoiser(chain, "eps", FIXED_SMALL), x, noise=replayed()))
    learned = end_of(reverse_process(SAMPLERS[name](), denoiser(chain, "eps", LEARNED_RANGE), x, noise=replayed()))
    assert torch.equal(plain.x, learned.x)


def test_zero_terminal_snr_with_eps_divides_by_zero_and_ours_refuses():
    """Where the image is clipped it is black or white noise instead of infinite."""
    config: dict[str, Any] = {"timestep_spacing": "trailing", "rescale_betas_zero_snr": True}
    scheduler = diffusers_scheduler("DDPMScheduler", 10, **config, clip_sample=False)
    x = normal(3)
    still_wrong(not next(scheduler_states(scheduler, wavy, x)).isfinite().any(), "ε-prediction at ᾱ_T = 0")
    clipped = diffusers_scheduler("DDPMScheduler", 10, **config)
    x0 = clipped.step(wavy(x, torch.tensor(999)), clipped.timesteps[0], x).pred_original_sample
    assert bool((x0.abs() == 1).all())
    with pytest.raises(ValueError, match="ends at ᾱ_T = 0"):
        twin(scheduler)


def point(schedule: NoiseSchedule, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
    """The best ε̂ for data of a single image, 0: x_t/√(1 − ᾱ_t)."""
    return x / (1 - schedule.alpha_bar[time.long() + 1]).sqrt().reshape(-1, 1, 1, 1)


def test_churn_of_the_euler_scheduler_stays_in_the_image_and_ours_does_not():
    """EDM Alg. 2 calls the network after the noise is raised; diffusers, before: it cannot know what to remove."""
    scheduler = diffusers_scheduler("EulerDiscreteScheduler", 10, timestep_spacing="trailing")
    network: Callable[..., torch.Tensor] = partial(point, chain_of(scheduler))
    theirs = end_of(scheduler_states(scheduler, network, float(scheduler.init_noise_sigma) * normal(3), s_churn=4.0))
    still_wrong(float(theirs.std()) > 0.1, "the churn of Euler")
    ours = end_of(reverse_process(Euler(churn=4.0), twin(scheduler, network=network), normal(3), noise=replayed()))
    assert float(ours.x.abs().max()) < 1e-12


@pytest.mark.parametrize("eta", [0, 1], ids=["flow", "sde"])
def test_third_order_multistep_scheduler_misses_a_parabola(eta):
    """x_s = (σ_s/σ_t) e^{−ηh} x_t + α_s ∫_0^1 e^{−H(1−u)} x̂_0(λ_t + hu) H du + noise, H = (1 + η) h; x̂_0 = λ² here.

    In it the curvature d_2, half of x̂_0'' in units of h, here h², has the weight −2 φ_3, φ_3 = (H − 1 + e^{−H})/H² − ½.
    diffusers gives it −φ_3, as k-diffusion does: it is of second order. With sde-dpmsolver++ the sign of the ½ is wrong
    as well: −φ_3 − 1. That ours hits the parabola is in test_samplers_that_coincide.py.
    """
    scheduler = diffusers_scheduler(
        "DPMSolverMultistepScheduler",
        16,
        prediction_type="sample",
        algorithm_type="sde-dpmsolver++" if eta else "dpmsolver++",
        solver_order=3,
        lower_order_final=False,
    )
    chain = chain_of(scheduler).respace(rows(scheduler))
    alpha_bar, level, x = chain.alpha_bar, chain.half_log_snr, normal(3)
    for k, time in enumerate(scheduler.timesteps):
        t, s, before = 16 - k, 15 - k, x
        x = scheduler.step(torch.full_like(x, level[t] ** 2), time, x, variance_noise=torch.zeros_like(x)).prev_sample
        if not 2 <= k < 15:  # the first two steps and the last are of lower order
            continue
        h = level[s] - level[t]
        H, e = (1 + eta) * h, torch.exp(-(1 + eta) * h)
        first, second = 1 - (1 - e) / H, 1 - 2 / H * (1 - (1 - e) / H)  # ∫_0^1 e^{−H(1−u)} H u du, and u²
        integral = level[t] ** 2 * (1 - e) + 2 * level[t] * h * first + h * h * second
        kept = ((1 - alpha_bar[s]) / (1 - alpha_bar[t])).sqrt() * torch.exp(-eta * h)
        error = (x - kept * before) / alpha_bar[s].sqrt() - integral
        expected = h * h * ((H - 1 + e) / H**2 - 0.5 - eta)
        assert abs(float(expected)) > 1e-3
        still_wrong(bool(((error - expected).abs() < 1e-2 * expected.abs()).all()), f"the third order, step {k}")
