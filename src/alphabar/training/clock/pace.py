"""When a run with a budget of minutes ends: the step that it reaches in time, at the speed that was last measured.

The learning rate falls towards that step. The speed is measured at fixed shares of the budget only, each time right
before a checkpoint, and saved in it: what follows a checkpoint depends on the checkpoint, and not on the clock.
"""

import math
from dataclasses import dataclass, replace

MOST = 10**12
"""The last step that is reckoned with."""
MEASUREMENTS = 40
"""How often the speed is measured in a run; a machine that grows busy afterwards delays the end by little."""


@dataclass(frozen=True)
class Pace:
    """The latest measurement: its step, its seconds of training, and the end that follows from it."""

    step: int = 0
    seconds: float = 0.0
    budget: float | None = None
    """The seconds of the run that the end was reckoned with."""
    end: int | None = None
    """The step at which the budget ends; None if it is not known yet."""
    aside: float = 0.0
    """The seconds of `seconds` that were not spent on steps, but on previews and evaluations."""

    def within(self, budget: float | None) -> "Pace":
        """This pace in a run of that budget; the end is not known any more if the budget is another one."""
        return self if budget == self.budget else replace(self, budget=budget, end=None)

    def is_due(self, step: int, seconds: float) -> bool:
        """Whether the speed is to be measured again: after each share of the budget, and at the end, in case it is not.

        A run that was slowed down has time left when it comes to the end that it was measured to have.
        """
        if self.budget is None or step == self.step:
            return False
        if step == self.end:
            return True
        part = self.budget / MEASUREMENTS
        return seconds // part > self.seconds // part

    def measured(self, step: int, seconds: float, aside: float = 0.0, reserve: float = 0.0) -> "Pace":
        """The pace at `step` > self.step, where the budget's end is `step` itself or later.

        aside: the seconds of `seconds` that were not spent on steps; as many for each step are expected from here on.
        reserve: seconds to keep for the end.
        """
        assert self.budget is not None
        each = max(seconds - self.seconds - (aside - self.aside), 1e-9) / (step - self.step) + aside / step
        left = max(self.budget - reserve - seconds, 0.0)
        return Pace(step, seconds, self.budget, min(step + math.floor(left / each), MOST), aside)


def earliest(*ends: int | None) -> int | None:
    """The first of the steps that end a run; None if none is known."""
    return min((end for end in ends if end is not None), default=None)
