"""The learning rate of each step."""

import math

from alphabar.config import Optimizer

COOLDOWN = 0.2
"""The share of a run over which decay = cooldown falls to 0 (Hägele et al. 2024)."""


def learning_rate(optimizer: Optimizer, step: int, total_steps: int | None) -> float:
    """Of the update from `step` to step + 1: a linear warm-up, times a decay that reaches 0 at the end.

    total_steps: the length of the run; needed by the decays only.
    """
    rate = optimizer.learning_rate
    if step < optimizer.warmup_steps:
        rate *= (step + 1) / optimizer.warmup_steps
    if optimizer.decay == "constant":
        return rate
    assert total_steps is not None, "config.load refuses a decay without a length"
    progress = min(step / total_steps, 1.0)
    match optimizer.decay:
        case "cosine":
            return rate * 0.5 * (1 + math.cos(math.pi * progress))
        case "linear":
            return rate * (1 - progress)
        case "cooldown":
            return rate * min(1.0, (1 - progress) / COOLDOWN)
