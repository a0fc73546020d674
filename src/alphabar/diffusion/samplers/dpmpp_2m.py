"""DPM-Solver++(2M): two x̂_0, one network call per step (Lu et al. 2022b, Alg. 2)."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from alphabar.diffusion.denoiser import Denoiser
from alphabar.diffusion.process import per_image
from alphabar.diffusion.samplers.exponential import exponential_step, log_snr_gap
from alphabar.diffusion.samplers.sampler import Noise, Step
from alphabar.diffusion.schedule import NoiseSchedule


@dataclass(frozen=True)
class DPMpp2M:
    """The flow by x̂_0 + (x̂_0 − x̂_0')/2r, x̂_0' of the step before, r = h'/h; the first and last steps are DDIM's."""

    memory: ClassVar[int] = 1
    calls: ClassVar[int] = 1

    def step(self, denoiser: Denoiser, x: Tensor, t: int, history: tuple[Step, ...], noise: Noise) -> Step:
        """Second order in h."""
        x0 = denoiser(x, t).x0
        ahead = extrapolated(denoiser.schedule, x0, t, history)
        return Step(t - 1, exponential_step(denoiser.schedule, x, ahead, t, t - 1), x0)


def extrapolated(schedule: NoiseSchedule, x0: Tensor, t: int, history: tuple[Step, ...]) -> Tensor:
    """What x̂_0 will be in the middle of the step from t to t − 1, on the line through the last two; x̂_0 at the ends."""
    if not history or t == 1:
        return x0
    r = log_snr_gap(schedule, t + 1, t) / log_snr_gap(schedule, t, t - 1)
    return x0 + per_image(1 / (2 * r), x0) * (x0 - history[-1].x0)
