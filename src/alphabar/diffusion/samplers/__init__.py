"""Samplers: a file each. To add one, write its file and give it a line in SAMPLERS.

The `grid` of each class was measured on a model of Fashion-MNIST with the cosine schedule and v: the best spacing of
uniform, half_log_snr and karras at 10 network calls, with the number of steps of the lowest FD (docs/results/steps.md).
"""

from alphabar.diffusion.samplers.ancestral import Ancestral
from alphabar.diffusion.samplers.churn import Churn
from alphabar.diffusion.samplers.ddim import DDIM
from alphabar.diffusion.samplers.dpmpp_2m import DPMpp2M, DPMpp2MSDE
from alphabar.diffusion.samplers.dpmpp_2s import DPMpp2S
from alphabar.diffusion.samplers.dpmpp_3m_sde import DPMpp3MSDE
from alphabar.diffusion.samplers.euler import Euler
from alphabar.diffusion.samplers.heun import Heun
from alphabar.diffusion.samplers.pndm import PNDM
from alphabar.diffusion.samplers.sampler import Grid, Noise, Sampler, SeededNoise, Step, network_calls, reverse_process
from alphabar.diffusion.samplers.unipc import UniPC

SAMPLERS: dict[str, type[Sampler]] = {
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

__all__ = [
    "DDIM", "PNDM", "SAMPLERS", "Ancestral", "Churn", "DPMpp2M", "DPMpp2MSDE", "DPMpp2S", "DPMpp3MSDE", "Euler", "Grid",
    "Heun", "Noise", "Sampler", "SeededNoise", "Step", "UniPC", "network_calls", "reverse_process",
]  # fmt: skip
