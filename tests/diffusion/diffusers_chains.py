"""diffusers' schedulers beside our samplers: the same chain, timesteps, network, start and noise."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from diffusion_cases import denoiser, normal, replayed
from torch import Tensor

from alphabar.diffusion import (
    FIXED_SMALL,
    Denoiser,
    NoiseSchedule,
    ReverseVariance,
    Sampler,
    from_betas,
    reverse_process,
)

PREDICTS = {"epsilon": "eps", "sample": "x0", "v_prediction": "v"}
SEED = 7


def chain_of(scheduler: Any) -> NoiseSchedule:
    """ᾱ from the scheduler's β, multiplied up in float64."""
    return from_betas(scheduler.betas.double())


def diffusers_scheduler(name: str, steps: int | list[int], exact: bool = True, **config: Any) -> Any:
    """The scheduler of that name, ready for so many steps, or for these timesteps.

    exact: its tables ᾱ and σ, which are float32, are replaced by ours, so that only formulas are left to differ.
    """
    diffusers = pytest.importorskip("diffusers")  # takes seconds: not while tests are collected
    scheduler = getattr(diffusers, name)(**config)
    if exact:
        scheduler.alphas_cumprod = chain_of(scheduler).alpha_bar[1:]
    scheduler.set_timesteps(**({"num_inference_steps": steps} if isinstance(steps, int) else {"timesteps": steps}))
    if exact and hasattr(scheduler, "sigmas"):
        alpha_bar = scheduler.alphas_cumprod[scheduler.timesteps.long()]
        scheduler.sigmas = torch.cat([((1 - alpha_bar) / alpha_bar).sqrt(), torch.zeros(1, dtype=torch.float64)])
    return scheduler


def rows(scheduler: Any) -> list[int]:
    """Its timesteps as rows of our chain, which counts from 1."""
    return sorted({int(t) + 1 for t in scheduler.timesteps})


def twin(scheduler: Any, variance: ReverseVariance = FIXED_SMALL, **more: Any) -> Denoiser:
    """Our denoiser on the scheduler's chain and timesteps, its network (`wavy`) read as prediction_type says."""
    parameterization = PREDICTS[scheduler.config.prediction_type]
    return denoiser(chain_of(scheduler), parameterization, variance, **more).respaced(rows(scheduler))


def scheduler_states(scheduler: Any, network: Callable[..., Tensor], x: Tensor, **arguments: Any) -> Iterator[Tensor]:
    """The states of the scheduler's chain, one for each call of the network; it draws the noise of `replayed(SEED)`."""
    takes, noise = inspect.signature(scheduler.step).parameters, replayed(SEED)
    if "generator" in takes and "variance_noise" not in takes:
        arguments["generator"] = torch.Generator().manual_seed(SEED)
    for t in scheduler.timesteps:
        if "variance_noise" in takes:
            arguments["variance_noise"] = noise(x)
        output = network(scheduler.scale_model_input(x, t), t.expand(len(x)))
        x = scheduler.step(output, t, x, **arguments).prev_sample
        yield x


def differences(sampler: Sampler, denoiser: Denoiser, scheduler: Any, **arguments: Any) -> list[float]:
    """|x_t − x_t'| of the two chains after each step from the same start, relative to the chain's largest pixel or 1.

    arguments: what else the scheduler's `step` is given.
    """
    x, signal = normal(3, shape=(2, 4, 4)), denoiser.schedule.alpha_bar.sqrt()
    ours = list(reverse_process(sampler, denoiser, x, noise=replayed(SEED)))
    scaled = float(scheduler.init_noise_sigma) != 1  # k-diffusion's x̄ = x/√ᾱ
    theirs = list(scheduler_states(scheduler, denoiser.network, x / signal[-1] if scaled else x, **arguments))
    if scheduler.order == 2:  # two calls a step, one for the last
        theirs = [*theirs[1::2], theirs[-1]]
    assert len(ours) == len(theirs) == denoiser.schedule.T
    size = max(1.0, *(float(step.x.abs().max()) for step in ours))
    units = signal if scaled else torch.ones_like(signal)
    gaps = [step.x - units[step.t] * state for step, state in zip(ours, theirs, strict=True)]
    return [float(gap.abs().max()) / size for gap in gaps]
