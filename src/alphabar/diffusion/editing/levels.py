"""From which level of the chain an image is edited."""

from alphabar.diffusion.schedule import NoiseSchedule


def check_level(schedule: NoiseSchedule, level: int, name: str) -> None:
    """ValueError unless 1 ≤ level ≤ T, steps of the denoiser's own (possibly respaced) chain."""
    if not 1 <= level <= schedule.T:
        raise ValueError(
            f"{name} must be a step of the chain, 1 (next to the image) to {schedule.T} (noise); got {level}."
        )
