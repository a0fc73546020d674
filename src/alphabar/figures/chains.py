"""Noise schedules by name."""

from alphabar.diffusion import SCHEDULES, NoiseSchedule
from alphabar.errors import check_number, sentences
from alphabar.registry import look_up

LONGEST = 1_000_000
"""Steps of a chain that is shown; a picture of more shows no more."""


def chain(name: str, T: int) -> NoiseSchedule:
    """The schedule `name` of T steps; AlphabarError if it does not exist, or not for this T."""
    check_number("--steps", T, most=LONGEST)
    make = look_up(SCHEDULES, name, "noise schedule")
    with sentences():
        return make(T)
