"""Samplers: one file each, one line each in SAMPLERS."""

from collections.abc import Callable

from alphabar.diffusion.samplers.ancestral import Ancestral
from alphabar.diffusion.samplers.ddim import DDIM
from alphabar.diffusion.samplers.noise import SeededNoise
from alphabar.diffusion.samplers.sampler import Noise, Sampler, Step, reverse_process

SAMPLERS: dict[str, Callable[..., Sampler]] = {"ddpm": Ancestral, "ddim": DDIM}

__all__ = ["DDIM", "SAMPLERS", "Ancestral", "Noise", "Sampler", "SeededNoise", "Step", "reverse_process"]
