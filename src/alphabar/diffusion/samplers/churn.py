"""EDM's churn: a little noise is added before a step, which then removes more (Karras et al. 2022, Alg. 2)."""

import math
from dataclasses import dataclass, replace

from torch import Tensor

from alphabar.diffusion.denoiser import Denoiser
from alphabar.diffusion.errors import DiffusionError
from alphabar.diffusion.process import per_image
from alphabar.diffusion.samplers.sampler import Noise
from alphabar.diffusion.schedule import NoiseSchedule
from alphabar.diffusion.variance import FIXED_SMALL


def trained_row(schedule: NoiseSchedule, t: int) -> tuple[NoiseSchedule, int]:
    """The network's own chain, and the row of it that row t of `schedule` is."""
    chain, row = schedule.trained(t)
    return chain, int(row)


@dataclass(frozen=True)
class Churned:
    """x at the row t of the network's own chain, and the denoiser of that chain."""

    denoiser: Denoiser
    x: Tensor
    t: int


@dataclass(frozen=True)
class Churn:
    """EDM's S_churn, S_min, S_max and S_noise, for σ = √((1 − ᾱ)/ᾱ). An amount of 0 adds nothing."""

    amount: float = 0.0
    sigma_min: float = 0.0
    sigma_max: float = math.inf
    scale: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.amount < math.inf:
            raise DiffusionError(f"churn must be a number from 0 on; got {self.amount:g}.")

    def raised(self, denoiser: Denoiser, x: Tensor, t: int, noise: Noise) -> Churned:
        """x raised from σ_t to the row nearest to (1 + γ) σ_t, γ = min(S_churn/K, √2 − 1): a forward step q.

        The noise is raised to a row of the network's chain, so a small churn on a short chain may round to none.
        """
        chain, row = trained_row(denoiser.schedule, t)
        variance = replace(FIXED_SMALL, learned=denoiser.variance.learned)  # not read, but defined at every row
        whole = replace(denoiser, schedule=chain, variance=variance)
        log_sigma = -chain.half_log_snr
        sigma = float(log_sigma[row].exp())
        if self.amount == 0 or not self.sigma_min <= sigma <= self.sigma_max:
            return Churned(whole, x, row)
        gamma = min(self.amount / denoiser.schedule.T, math.sqrt(2) - 1)
        higher = row + int((log_sigma[row:] - log_sigma[row] - math.log1p(gamma)).abs().argmin())
        if higher == row:
            return Churned(whole, x, row)
        kept = chain.alpha_bar[higher] / chain.alpha_bar[row]
        z = self.scale * noise(x)
        return Churned(whole, per_image(kept.sqrt(), x) * x + per_image((1 - kept).sqrt(), x) * z, higher)
