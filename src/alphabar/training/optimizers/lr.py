"""The learning rate of each step."""

import math
from collections.abc import Callable

from alphabar.config import Optimizer

COOLDOWN = 0.2
"""The share of a run over which the decay 'cooldown' falls to 0 (Hägele et al. 2024)."""


def constant(progress: float) -> float:
    """1 throughout."""
    return 1.0


def cosine(progress: float) -> float:
    """Half a cosine."""
    return 0.5 * (1 + math.cos(math.pi * progress))


def linear(progress: float) -> float:
    """A straight line."""
    return 1 - progress


def cooldown(progress: float) -> float:
    """1, then a straight line over the last fifth."""
    return min(1.0, (1 - progress) / COOLDOWN)


DECAYS: dict[str, Callable[[float], float]] = {
    "constant": constant,
    "cosine": cosine,
    "linear": linear,
    "cooldown": cooldown,
}
"""The factor on the learning rate by name: progress in 0..1 -> 1..0 (constant: 1)."""


def learning_rate(optimizer: Optimizer, step: int, total_steps: int | None) -> float:
    """The rate of the update from `step` to step + 1: a linear warm-up, times a decay that reaches 0 at the end.

    total_steps: the length of the run; None if it is not known yet, so that nothing decays.
    """
    warmup = min(1.0, (step + 1) / optimizer.warmup_steps) if optimizer.warmup_steps else 1.0
    progress = 0.0 if total_steps is None else min(step / total_steps, 1.0)
    return optimizer.learning_rate * warmup * DECAYS[optimizer.decay](progress)
