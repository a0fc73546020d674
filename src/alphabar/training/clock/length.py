"""How long a run is."""

import math
from dataclasses import dataclass

from alphabar.config import Config, Training
from alphabar.training.clock.pace import Pace, earliest

GRACE = 1.03
"""By how much a run may exceed its budget of time, so that its learning rate reaches 0."""


def total_steps(training: Training, set_size: int) -> int | None:
    """The step at which steps, images or epochs, whichever comes first, end the run; None if only minutes do."""
    images = [training.images, None if training.epochs is None else math.ceil(training.epochs * set_size)]
    steps = [math.ceil(n / training.batch_size) for n in images if n is not None]
    return earliest(*steps, training.steps)


@dataclass(frozen=True)
class Length:
    """What ends a run: a step, or seconds of training, whichever comes first."""

    steps: int | None
    seconds: float | None
    decays: bool
    """Whether the learning rate falls to 0 at the end, wherever that is."""

    @classmethod
    def of(cls, config: Config, set_size: int) -> "Length":
        """The length of the run of `config` on so many images."""
        minutes = config.training.minutes
        seconds = None if minutes is None else 60 * minutes
        return cls(total_steps(config.training, set_size), seconds, config.optimizer.decay != "constant")

    @property
    def budget(self) -> float | None:
        """The seconds within which the learning rate falls to 0; None if it does not, or if steps alone end the run."""
        return self.seconds if self.decays else None

    def end(self, pace: Pace) -> int | None:
        """The step at which the run ends, as far as it is known."""
        return earliest(self.steps, pace.end)

    def is_over(self, pace: Pace, step: int, seconds: float) -> bool:
        """Whether a run that is at `step` after `seconds` of training has reached its end."""
        end = self.end(pace)
        out_of_time = self.seconds is not None and seconds >= self.seconds * (GRACE if self.decays else 1)
        return out_of_time or (end is not None and step >= end)

    def seconds_left(self, pace: Pace, step: int, seconds: float, steps_per_second: float) -> float | None:
        """The time to the end at that speed; None if there is no end, or no speed yet."""
        end = self.end(pace)
        by_steps = (end - step) / steps_per_second if end is not None and steps_per_second > 0 else math.inf
        by_time = self.seconds - seconds if self.seconds is not None else math.inf
        left = max(min(by_steps, by_time), 0.0)
        return left if math.isfinite(left) else None
