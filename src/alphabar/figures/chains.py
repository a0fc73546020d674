"""Noise schedules by name."""

from alphabar.diffusion import SCHEDULES, NoiseSchedule
from alphabar.errors import sentences
from alphabar.registry import look_up


def chain(name: str, T: int) -> NoiseSchedule:
    """The schedule `name` of T steps; AlphabarError if it does not exist, or not for this T."""
    make = look_up(SCHEDULES, name, "noise schedule")
    with sentences():
        return make(T)
