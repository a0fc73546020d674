"""Schedules by name, with a sentence for what cannot be."""

from alphabar.diffusion import SCHEDULES, NoiseSchedule
from alphabar.errors import AlphabarError
from alphabar.registry import look_up


def chain(name: str, T: int) -> NoiseSchedule:
    """The schedule `name` of T steps; AlphabarError if there is none."""
    make = look_up(SCHEDULES, name, "noise schedule")
    try:
        return make(T)
    except ValueError as error:
        raise AlphabarError(str(error)) from None
