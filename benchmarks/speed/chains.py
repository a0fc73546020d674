"""A sampler's steps without its network, and diffusers' schedulers of the same methods."""

from importlib import import_module
from typing import Any

import torch
from benchmarks.speed.made import Made, pictures
from benchmarks.speed.workload import CHAIN_STEPS, Workload

from alphabar import build, config
from alphabar.diffusion import SAMPLERS, SeededNoise, reverse_process

SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ddpm": ("DDPMScheduler", {}),
    "ddim": ("DDIMScheduler", {}),
    "euler": ("EulerDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "dpmpp_2m": ("DPMSolverMultistepScheduler", {}),
    "dpmpp_2m_sde": ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    "dpmpp_2s": ("DPMSolverSinglestepScheduler", {}),
    "unipc": ("UniPCMultistepScheduler", {}),
    "pndm": ("PNDMScheduler", {"skip_prk_steps": True}),
}
"""Sampler -> diffusers' class of that method, and its options."""


def ours(work: Workload, settings: config.Config, device: torch.device) -> Made:
    """The steps of `alphabar sample`: noise of each image's own seed, x̂_0 clipped."""
    denoiser = build.denoiser(settings, lambda x, time: x)
    denoiser = denoiser.respaced([1 + k * denoiser.schedule.T // CHAIN_STEPS for k in range(CHAIN_STEPS)])
    sampler = SAMPLERS[work.option]()

    @torch.no_grad()
    def run() -> None:
        x = pictures(work.shape, work.batch, device).contiguous(memory_format=torch.channels_last)
        for _ in reverse_process(sampler, denoiser, x, noise=SeededNoise(range(work.batch))):
            pass

    return Made(run, 0, steps=CHAIN_STEPS)


def theirs(work: Workload, device: torch.device) -> Made:
    """What a pipeline of diffusers does at each step."""
    name, options = SCHEDULERS[work.option]
    scheduler = getattr(import_module("diffusers"), name)(num_train_timesteps=1000, **options)

    @torch.no_grad()
    def run() -> None:
        x = pictures(work.shape, work.batch, device)
        scheduler.set_timesteps(CHAIN_STEPS)
        for t in scheduler.timesteps:
            x = scheduler.step(scheduler.scale_model_input(x, t), t, x).prev_sample

    return Made(run, 0, steps=CHAIN_STEPS)
