"""How long a run is."""

import math

from alphabar.config import Training


def total_steps(training: Training, set_size: int) -> int | None:
    """The step at which steps, images or epochs, whichever comes first, end the run; None if only minutes do."""
    images = [training.images, None if training.epochs is None else math.ceil(training.epochs * set_size)]
    steps = [math.ceil(n / training.batch_size) for n in images if n is not None]
    return min([*steps, *([training.steps] if training.steps else [])], default=None)


def is_over(training: Training, end: int | None, step: int, seconds: float) -> bool:
    """Whether a run that is at `step` after `seconds` of training has reached its end."""
    out_of_time = training.minutes is not None and seconds >= 60 * training.minutes
    return out_of_time or (end is not None and step >= end)
