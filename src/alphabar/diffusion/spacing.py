"""Spacings: which K of the T timesteps a shorter reverse process visits, as ascending rows in 1..T for `respace`."""

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, repeat

from alphabar.diffusion.errors import DiffusionError
from alphabar.diffusion.schedule import NoiseSchedule, checked_rows


def _distinct(steps: Iterable[float]) -> list[int]:
    return sorted({round(t) for t in steps})


def _section(first: int, size: int, count: int) -> list[int]:
    """`count` rows, evenly spaced over the `size` rows from `first` on, including both ends; only `first` if 1.

    They are rounded running sums as in improved-diffusion's respacing, so that exactly its steps are chosen.
    """
    if count <= 1:
        return [first] * count
    strides = repeat((size - 1) / (count - 1), count - 1)
    return [first + round(offset) for offset in accumulate(strides, initial=0.0)]


def uniform(schedule: NoiseSchedule, steps: int) -> list[int]:
    """Evenly spaced from 1 to T, including both; only T if steps = 1."""
    return [schedule.T] if steps == 1 else _section(1, schedule.T, steps)


def trailing(schedule: NoiseSchedule, steps: int) -> list[int]:
    """T, T − T/K, ...: always starts at the noisiest step T (Lin et al. 2023)."""
    return _distinct(schedule.T * k / steps for k in range(1, steps + 1))


def leading(schedule: NoiseSchedule, steps: int) -> list[int]:
    """1, 1 + ⌊T/K⌋, ...: the grid of the DDIM paper. It omits the noisiest steps, but published numbers use it."""
    return [1 + k * (schedule.T // steps) for k in range(steps)]


def quadratic(schedule: NoiseSchedule, steps: int) -> list[int]:
    """t = 1 + (T − 1)(k/(K − 1))²: denser near the data (DDIM, App. D.2). Fewer than K if rounded steps coincide."""
    if steps == 1:
        return [schedule.T]
    return _distinct(1 + (schedule.T - 1) * (k / (steps - 1)) ** 2 for k in range(steps))


NOISIEST = 80.0
"""The largest σ = √((1 − ᾱ)/ᾱ) of the two grids below, where the image is about 1 % of the noise."""


def half_log_snr(schedule: NoiseSchedule, steps: int) -> list[int]:
    """Rows nearest to levels evenly spaced in λ = ½ log(ᾱ/(1 − ᾱ)) (DPM-Solver), from σ ≤ 80 down to t = 1."""
    noisiest, cleanest = _log_sigmas(schedule)
    return _nearest(schedule, _evenly(cleanest, noisiest, steps))


def karras(schedule: NoiseSchedule, steps: int, rho: float = 7.0) -> list[int]:
    """Rows nearest to levels evenly spaced in σ^{1/ρ}, ρ = 7 (EDM Eq. 5), from σ ≤ 80 down to t = 1."""
    noisiest, cleanest = (math.exp(log_sigma / rho) for log_sigma in _log_sigmas(schedule))
    return _nearest(schedule, [rho * math.log(root) for root in _evenly(cleanest, noisiest, steps)])


def _evenly(start: float, end: float, count: int) -> list[float]:
    """`count` evenly spaced numbers from `start` to `end`, including both; only `end` if count is 1."""
    return [end] if count == 1 else [start + (end - start) * k / (count - 1) for k in range(count)]


def _log_sigmas(schedule: NoiseSchedule) -> tuple[float, float]:
    """(log σ of the noisiest level that is visited, log σ of t = 1)."""
    log_sigma = -schedule.half_log_snr[1:]
    return min(float(log_sigma[-1]), math.log(NOISIEST)), float(log_sigma[0])


def _nearest(schedule: NoiseSchedule, log_sigmas: list[float]) -> list[int]:
    """The rows nearest to these levels, ascending. If two would coincide, the noisier one moves to the next row."""
    table, K = -schedule.half_log_snr[1:], len(log_sigmas)
    rows = [1 + int((table - log_sigma).abs().argmin()) for log_sigma in log_sigmas]
    for k in range(1, K):
        rows[k] = max(rows[k], rows[k - 1] + 1)
    return [min(row, schedule.T - (K - 1 - k)) for k, row in enumerate(rows)]


SPACINGS: dict[str, Callable[[NoiseSchedule, int], list[int]]] = {
    "uniform": uniform,
    "trailing": trailing,
    "leading": leading,
    "quadratic": quadratic,
    "half_log_snr": half_log_snr,
    "karras": karras,
}


def spaced(schedule: NoiseSchedule, spacing: str, steps: int) -> list[int]:
    """The rows that SPACINGS[spacing] chooses; raises ValueError unless 1 ≤ steps ≤ T."""
    if not 1 <= steps <= schedule.T:
        raise DiffusionError(
            f"Sampling steps must lie in 1..{schedule.T}, the length of this model's chain; got {steps}."
        )
    return SPACINGS[spacing](schedule, steps)


def rows_of(spec: str | Sequence[int], T: int) -> list[int]:
    """The rows, counted from 1, that a timestep_respacing of improved-diffusion means for a chain of T steps.

    "250": 250 steps, evenly spaced from 1 to T.
    "10,15,20": the chain in three equal sections with 10, 15 and 20 steps; a single step is the first of its section.
    "ddim50": every k-th step from 1 on, with the k that gives exactly 50 steps.
    "t:1,5,9", or a list of numbers: exactly these steps (in improved-diffusion, a list means sections instead).

    Raises ValueError if the specification is invalid.
    """
    if not isinstance(spec, str):
        return checked_rows(list(spec), T)
    kind = next((prefix for prefix in ("ddim", "t:") if spec.startswith(prefix)), "")
    try:
        numbers = [int(word) for word in spec.removeprefix(kind).split(",")]
    except ValueError:
        numbers = []
    if not numbers or (kind == "ddim" and len(numbers) > 1):
        raise DiffusionError(
            f"'{spec}' does not specify timesteps; write a number of steps (250), one for each section (10,15,20), "
            "a stride by its number of steps (ddim50), or the steps themselves (t:1,5,9)."
        )
    if kind == "ddim":
        return _strided(numbers[0], T)
    return checked_rows(numbers, T) if kind else _sectioned(numbers, T)


def _strided(steps: int, T: int) -> list[int]:
    grids = {
        len(range(1, T + 1, stride)): stride for stride in range(T - 1, 0, -1)
    }  # the smallest stride of each length
    if steps not in grids:
        near = sorted(sorted(grids, key=lambda length: abs(length - steps))[:4])
        advice = f"near it, use {', '.join(f'ddim{length}' for length in near)}" if near else "use 't:1'"
        raise DiffusionError(f"No integer stride visits exactly {steps} of {T} timesteps (ddim{steps}); {advice}.")
    return list(range(1, T + 1, grids[steps]))


def _sectioned(counts: list[int], T: int) -> list[int]:
    if counts == [1] and T > 1:
        raise DiffusionError(f"A single step would be t = 1, the least noisy one; for one step from noise use 't:{T}'.")
    if min(counts) < 0 or not any(counts):
        raise DiffusionError(f"A respacing must have at least one timestep; got {','.join(map(str, counts))}.")
    size, larger = divmod(T, len(counts))
    rows, first = [], 1
    for number, count in enumerate(counts):
        length = size + (number < larger)
        if count > length:
            where = f"section {number + 1} of {len(counts)}" if len(counts) > 1 else "the chain"
            raise DiffusionError(f"{count} timesteps do not fit into {where}, which has {length}.")
        rows += _section(first, length, count)
        first += length
    return rows
