"""How training draws t: one file each, one line each in TIMESTEP_SAMPLERS."""

from collections.abc import Callable

from alphabar.diffusion.timesteps.antithetic import Antithetic
from alphabar.diffusion.timesteps.loss_second_moment import LossSecondMoment
from alphabar.diffusion.timesteps.sampler import TimestepSampler
from alphabar.diffusion.timesteps.uniform import Uniform

TIMESTEP_SAMPLERS: dict[str, Callable[[int], TimestepSampler]] = {
    "uniform": Uniform,
    "antithetic": Antithetic,
    "loss_second_moment": LossSecondMoment,
}

__all__ = ["TIMESTEP_SAMPLERS", "Antithetic", "LossSecondMoment", "TimestepSampler", "Uniform"]
