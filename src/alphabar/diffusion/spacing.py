"""Which K of the T timesteps a shorter reverse process visits: ascending rows in 1..T, ready for `respace`."""

from collections.abc import Callable, Iterable
from itertools import accumulate, repeat

from alphabar.diffusion.schedule import NoiseSchedule


def _distinct(steps: Iterable[float]) -> list[int]:
    return sorted({round(t) for t in steps})


def uniform(schedule: NoiseSchedule, steps: int) -> list[int]:
    """Evenly spaced from 1 to T, both visited; T alone if steps = 1.

    The rounded running sum of improved-diffusion's respacing, so that the steps are the same ones to the last.
    """
    if steps == 1:
        return [schedule.T]
    strides = repeat((schedule.T - 1) / (steps - 1), steps - 1)
    return [1 + round(offset) for offset in accumulate(strides, initial=0.0)]


def trailing(schedule: NoiseSchedule, steps: int) -> list[int]:
    """T, T − T/K, ...: always starts from pure noise (Lin et al. 2023)."""
    return _distinct(schedule.T * k / steps for k in range(1, steps + 1))


def leading(schedule: NoiseSchedule, steps: int) -> list[int]:
    """1, 1 + ⌊T/K⌋, ...: DDIM's own grid; it leaves out the noisiest steps, but published numbers use it."""
    return [1 + k * (schedule.T // steps) for k in range(steps)]


def quadratic(schedule: NoiseSchedule, steps: int) -> list[int]:
    """t = 1 + (T − 1)(k/(K − 1))²: denser near the data (DDIM, App. D.2); fewer than K where neighbours coincide."""
    if steps == 1:
        return [schedule.T]
    return _distinct(1 + (schedule.T - 1) * (k / (steps - 1)) ** 2 for k in range(steps))


SPACINGS: dict[str, Callable[[NoiseSchedule, int], list[int]]] = {
    "uniform": uniform,
    "trailing": trailing,
    "leading": leading,
    "quadratic": quadratic,
}


def spaced(schedule: NoiseSchedule, spacing: str, steps: int) -> list[int]:
    """The rows that SPACINGS[spacing] picks; ValueError unless 1 ≤ steps ≤ T."""
    if not 1 <= steps <= schedule.T:
        raise ValueError(f"Sampling steps must lie in 1..{schedule.T}, the length of this model's chain; got {steps}.")
    return SPACINGS[spacing](schedule, steps)
