"""SDE-DPM-Solver++(2M): the reverse SDE, two x̂_0, one network call per step (Lu et al. 2022b, §4.3)."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from alphabar.diffusion.denoiser import Denoiser
from alphabar.diffusion.samplers.dpmpp_2m import extrapolated
from alphabar.diffusion.samplers.eta import check_eta
from alphabar.diffusion.samplers.exponential import exponential_step
from alphabar.diffusion.samplers.sampler import Noise, Step


@dataclass(frozen=True)
class DPMpp2MSDE:
    """DPM-Solver++(2M) with noise; eta: 1 is the reverse SDE, 0 is DPM-Solver++(2M)."""

    eta: float = 1.0
    memory: ClassVar[int] = 1
    calls: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_eta("dpmpp_2m_sde", self.eta)

    def step(self, denoiser: Denoiser, x: Tensor, t: int, history: tuple[Step, ...], noise: Noise) -> Step:
        """Second order in h but for the noise."""
        x0 = denoiser(x, t).x0
        ahead = extrapolated(denoiser.schedule, x0, t, history)
        return Step(t - 1, exponential_step(denoiser.schedule, x, ahead, t, t - 1, self.eta, noise), x0)
