"""DPM-Solver++(2S): steps over two rows of the chain, the row between as the midpoint (Lu et al. 2022b, Alg. 1)."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from alphabar.diffusion.denoiser import Denoiser
from alphabar.diffusion.process import per_image
from alphabar.diffusion.samplers.exponential import exponential_step, log_snr_gap
from alphabar.diffusion.samplers.sampler import Grid, Noise, Step


@dataclass(frozen=True)
class DPMpp2S:
    """Odd steps are DDIM's, to the midpoint; even ones go from where the odd one set out, knowing the x̂_0 of both.

    One network call per row, so that K steps cost K calls, and the chain's own rows are all that it visits.
    """

    grid: ClassVar[Grid] = Grid("half_log_snr", 20)
    memory: ClassVar[int] = 1
    calls: ClassVar[int] = 1

    def step(self, denoiser: Denoiser, x: Tensor, t: int, history: tuple[Step, ...], noise: Noise) -> Step:
        """Second order in h over two rows; the last step returns x̂_0, and a step from ᾱ_t = 0 stands alone."""
        schedule, x0 = denoiser.schedule, denoiser(x, t).x0
        source = history[-1].source if history else None
        if source is None or t == 1 or not bool(log_snr_gap(schedule, t + 1, t).isfinite()):
            return Step(t - 1, exponential_step(schedule, x, x0, t, t - 1), x0, source=x)
        r = log_snr_gap(schedule, t + 1, t) / log_snr_gap(schedule, t + 1, t - 1)
        before = history[-1].x0
        middle = before + per_image(1 / (2 * r), x0) * (x0 - before)
        return Step(t - 1, exponential_step(schedule, source, middle, t + 1, t - 1), x0)
