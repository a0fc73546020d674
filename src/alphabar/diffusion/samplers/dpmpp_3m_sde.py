"""DPM-Solver++(3M) SDE: three x̂_0, one network call per step, as k-diffusion extends Lu et al. 2022b.

k-diffusion and diffusers count half of the curvature, which makes theirs of second order; here it is whole.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from alphabar.diffusion.denoiser import Denoiser
from alphabar.diffusion.process import per_image
from alphabar.diffusion.samplers.exponential import exponential_step, log_snr_gap
from alphabar.diffusion.samplers.sampler import Grid, Noise, Step, check_eta
from alphabar.diffusion.schedule import NoiseSchedule


@dataclass(frozen=True)
class DPMpp3MSDE:
    """x̂_0 as a parabola through the last three; eta: 1 is the reverse SDE, 0 the flow, of third order then."""

    eta: float = 1.0
    grid: ClassVar[Grid] = Grid("half_log_snr", 50)
    memory: ClassVar[int] = 2
    calls: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_eta("dpmpp_3m_sde", self.eta)

    def step(self, denoiser: Denoiser, x: Tensor, t: int, history: tuple[Step, ...], noise: Noise) -> Step:
        """As many x̂_0 as there are; the last step returns x̂_0."""
        x0 = denoiser(x, t).x0
        ahead = x0 if t == 1 else self._mean(denoiser.schedule, x0, t, history)
        return Step(t - 1, exponential_step(denoiser.schedule, x, ahead, t, t - 1, self.eta, noise), x0)

    def _mean(self, schedule: NoiseSchedule, x0: Tensor, t: int, history: tuple[Step, ...]) -> Tensor:
        """The mean of x̂_0 over the step, with the weight of the integrator: x̂_0 + (φ_2 d_1 − φ_3 d_2)/φ_1.

        d_1 and d_2 are x̂_0's slope and curvature in units of h; φ_1 = 1 − e^{−H}, φ_2 = 1 − φ_1/H, φ_3 = φ_2/H − ½ for
        H = (1 + η) h.
        """
        if not history:
            return x0
        h = log_snr_gap(schedule, t, t - 1)
        H = (1 + self.eta) * h
        phi_1 = -torch.expm1(-H)
        phi_2 = 1 - phi_1 / H
        r = log_snr_gap(schedule, t + 1, t) / h
        slope = (x0 - history[-1].x0) * per_image(1 / r, x0)
        if len(history) == 1:
            return x0 + per_image(phi_2 / phi_1, x0) * slope
        r_before = log_snr_gap(schedule, t + 2, t + 1) / h
        slope_before = (history[-1].x0 - history[-2].x0) * per_image(1 / r_before, x0)
        bend = (slope - slope_before) * per_image(1 / (r + r_before), x0)
        slope = slope + per_image(r, x0) * bend
        phi_3 = phi_2 / H - 0.5
        return x0 + per_image(phi_2 / phi_1, x0) * slope - per_image(2 * phi_3 / phi_1, x0) * bend
