"""A check of the level of the chain at which an image is edited."""

from alphabar.diffusion.errors import DiffusionError
from alphabar.diffusion.schedule import NoiseSchedule


def check_level(schedule: NoiseSchedule, level: int, name: str) -> None:
    """Raises ValueError unless 1 ≤ level ≤ T, in steps of the denoiser's (possibly respaced) chain."""
    if not 1 <= level <= schedule.T:
        raise DiffusionError(
            f"{name} must be a step of the chain from 1 (least noise) to {schedule.T} (most noise); got {level}."
        )
