"""DPM-Solver++(2M): two x̂_0, one network call per step, for the flow and for the reverse SDE (Lu et al. 2022b)."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from alphabar.diffusion.denoiser import Denoiser
from alphabar.diffusion.process import per_image
from alphabar.diffusion.samplers.exponential import exponential_step, log_snr_gap
from alphabar.diffusion.samplers.sampler import Grid, Noise, Step, check_eta
from alphabar.diffusion.schedule import NoiseSchedule


@dataclass(frozen=True)
class DPMpp2M:
    """x̂_0 + (x̂_0 − x̂_0')/2r, where x̂_0' is the previous step's and r = h'/h; the first and last steps are DDIM's.

    eta: 0 solves the probability flow (ibid. Alg. 2), 1 the reverse SDE (SDE-DPM-Solver++(2M), ibid. §4.3).
    """

    eta: float = 0.0
    grid: ClassVar[Grid] = Grid("karras", 15)
    memory: ClassVar[int] = 1
    calls: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_eta("dpmpp_2m", self.eta)

    def step(self, denoiser: Denoiser, x: Tensor, t: int, history: tuple[Step, ...], noise: Noise) -> Step:
        """Second order in h, apart from the noise."""
        x0 = denoiser(x, t).x0
        ahead = _extrapolated(denoiser.schedule, x0, t, history)
        return Step(t - 1, exponential_step(denoiser.schedule, x, ahead, t, t - 1, self.eta, noise), x0)


@dataclass(frozen=True)
class DPMpp2MSDE(DPMpp2M):
    """DPM-Solver++(2M) on the reverse SDE by default."""

    eta: float = 1.0
    grid: ClassVar[Grid] = Grid("karras", 10)

    def __post_init__(self) -> None:
        check_eta("dpmpp_2m_sde", self.eta)


def _extrapolated(schedule: NoiseSchedule, x0: Tensor, t: int, history: tuple[Step, ...]) -> Tensor:
    """x̂_0 in the middle of the step from t to t − 1, on the line through the last two; x̂_0 itself at the ends."""
    if not history or t == 1:
        return x0
    r = log_snr_gap(schedule, t + 1, t) / log_snr_gap(schedule, t, t - 1)
    return x0 + per_image(1 / (2 * r), x0) * (x0 - history[-1].x0)
