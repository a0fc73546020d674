"""When previews and checkpoints are due: after so many steps, or, if they are set to 'auto', by the clock."""

import math

from alphabar.config import Training

MINUTE = 60.0
EARLY = (0.5, 1.0, 2.0, 4.0, 8.0)
EVERY = 10.0
"""Minutes of training after which previews are made: early ones, and then one after every so many minutes."""
SHARE = 0.05
"""The largest share of the time that previews take."""
LAST = 0.95
"""The share of a budget of time after which no preview is begun but the one at the end."""
SAVE_EVERY = 2 * MINUTE
SAVE_SHARE = 0.02
"""Checkpoints are made every so many seconds, or as seldom as they take that share of the time."""
BACKWARD = 2.0
"""The cost of a backward pass in forward passes, about."""


def count_of(seconds: float) -> int:
    """How many previews are due within the first `seconds` of training."""
    minutes = seconds / MINUTE
    return sum(minutes >= moment for moment in EARLY) + math.floor(minutes / EVERY)


class Moments:
    """What is due in a session of a run that begins at `seconds` of training.

    calls: how many network calls on an image a preview takes; budget: the run's time in seconds, if that ends it.
    """

    def __init__(self, training: Training, calls: int, seconds: float, budget: float | None) -> None:
        self._training, self._calls, self._budget = training, calls, budget
        self._start, self._images = seconds, 0
        self._previewed = self._saved = seconds
        self._spent, self._save_cost = SHARE * seconds, 0.0
        self._preview_cost: float | None = None
        self._score_cost, self._aside = 0.0, 0.0

    @property
    def reserve(self) -> float:
        """The seconds that the preview and the evaluation at the end will take, as far as that is known.

        They are a small part of a budget, or else they exceed it: the run is there to be trained.
        """
        cost = (self._preview_cost or 0.0) + self._score_cost
        return cost if self._budget is None else min(cost, SHARE * self._budget)

    def stepped(self, images: int, seconds: float) -> None:
        """Note that a batch of so many images was learnt from, after `seconds` of training."""
        self._images += images
        if self._preview_cost is None or self._spent == SHARE * self._start:  # none was made yet: reckon
            each = (seconds - self._start - self._aside) / self._images
            self._preview_cost = self._calls * each / (1 + BACKWARD)

    def previewed(self, seconds: float, cost: float) -> None:
        """Note that a preview was made, and how many seconds it took."""
        self._previewed, self._preview_cost = seconds, cost
        self._spent += cost

    def scored(self, cost: float) -> None:
        """Note that an evaluation was made, and how many seconds it took."""
        self._score_cost = cost

    def put_aside(self, seconds: float) -> None:
        """Note that so many seconds passed that were not spent on steps."""
        self._aside += seconds

    def saved(self, seconds: float, cost: float) -> None:
        """Note that a checkpoint was made, and how many seconds it took."""
        self._saved, self._save_cost = seconds, cost

    def preview_is_due_at(self, step: int) -> bool:
        """Whether a preview belongs to this step, whatever the time."""
        every = self._training.sample_every
        return every != "auto" and every > 0 and step % every == 0

    def preview_is_due(self, step: int, seconds: float) -> bool:
        """Whether a preview is to be made now."""
        if self._training.sample_every != "auto":
            return self.preview_is_due_at(step)
        is_late = self._budget is not None and seconds > LAST * self._budget
        fits = self._spent + (self._preview_cost or 0.0) <= SHARE * seconds
        return count_of(seconds) > count_of(self._previewed) and fits and not is_late

    def checkpoint_is_due(self, step: int, seconds: float) -> bool:
        """Whether a checkpoint is to be made now."""
        every = self._training.checkpoint_every
        if every != "auto":
            return step % every == 0
        return seconds - self._saved >= max(SAVE_EVERY, self._save_cost / SAVE_SHARE)
