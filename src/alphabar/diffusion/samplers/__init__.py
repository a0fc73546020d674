"""Samplers: one file each, one line each in SAMPLERS and in GRIDS."""

from collections.abc import Callable
from dataclasses import dataclass

from alphabar.diffusion.samplers.ancestral import Ancestral
from alphabar.diffusion.samplers.churn import Churn
from alphabar.diffusion.samplers.ddim import DDIM
from alphabar.diffusion.samplers.dpmpp_2m import DPMpp2M
from alphabar.diffusion.samplers.dpmpp_2m_sde import DPMpp2MSDE
from alphabar.diffusion.samplers.dpmpp_2s import DPMpp2S
from alphabar.diffusion.samplers.dpmpp_3m_sde import DPMpp3MSDE
from alphabar.diffusion.samplers.euler import Euler
from alphabar.diffusion.samplers.heun import Heun
from alphabar.diffusion.samplers.noise import SeededNoise
from alphabar.diffusion.samplers.pndm import PNDM
from alphabar.diffusion.samplers.sampler import Noise, Sampler, Step, network_calls, reverse_process
from alphabar.diffusion.samplers.unipc import UniPC

SAMPLERS: dict[str, Callable[..., Sampler]] = {
    "ddpm": Ancestral,
    "ddim": DDIM,
    "euler": Euler,
    "heun": Heun,
    "dpmpp_2m": DPMpp2M,
    "dpmpp_2s": DPMpp2S,
    "dpmpp_2m_sde": DPMpp2MSDE,
    "dpmpp_3m_sde": DPMpp3MSDE,
    "unipc": UniPC,
    "pndm": PNDM,
}


@dataclass(frozen=True)
class Grid:
    """Which timesteps a sampler visits unless it is told: a key of SPACINGS, and how many (None: all T)."""

    spacing: str
    steps: int | None


GRIDS: dict[str, Grid] = {
    "ddpm": Grid("uniform", None),
    "ddim": Grid("uniform", 50),
    "euler": Grid("uniform", 50),
    "heun": Grid("half_log_snr", 15),
    "dpmpp_2m": Grid("karras", 15),
    "dpmpp_2s": Grid("half_log_snr", 20),
    "dpmpp_2m_sde": Grid("karras", 10),
    "dpmpp_3m_sde": Grid("half_log_snr", 50),
    "unipc": Grid("karras", 15),
    "pndm": Grid("uniform", 20),
}
"""Of a model of Fashion-MNIST (cosine, v), the best of uniform, half_log_snr and karras at 10 network calls; and where
FD over the calls was lowest, as far as it was measured (docs/results/steps.md)."""

__all__ = [
    "DDIM", "GRIDS", "PNDM", "SAMPLERS", "Ancestral", "Churn", "DPMpp2M", "DPMpp2MSDE", "DPMpp2S", "DPMpp3MSDE",
    "Euler", "Grid", "Heun", "Noise", "Sampler", "SeededNoise", "Step", "UniPC", "network_calls", "reverse_process",
]  # fmt: skip
