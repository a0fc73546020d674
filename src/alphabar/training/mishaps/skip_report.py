"""What is said and recorded of steps that were skipped, as their loss or gradient was not finite."""

from collections.abc import Sequence

from alphabar.data import ShuffledStream
from alphabar.training.log import Log
from alphabar.training.mishaps import divergence, skipping
from alphabar.training.mishaps.skips import Bad
from alphabar.training.saving import Saver
from alphabar.training.state import TrainState

SHOWN = 8
"""How many values of t, and numbers of images, a line names."""


class SkipReport:
    """The report of the skipped steps of a session; of several in a row, the first is named."""

    def __init__(self, state: TrainState, stream: ShuffledStream, saver: Saver) -> None:
        self._state, self._stream, self._saver = state, stream, saver
        self._count, self._is_said = 0, False

    def look(self, log: Log, is_due: bool, is_over: bool) -> None:
        """Say which step was skipped; DivergedError after too many. On a GPU, which it waits for, only if it is due."""
        state = self._state
        if not (is_due or state.device.type in skipping.BRANCHING):
            return
        bad = state.skips.read()
        if bad and not state.scaler.is_enabled():  # in fp16 they are usual
            self._count += bad.count
            if not self._is_said:
                log.say(self._line(bad))
        self._is_said = bad is not None
        divergence.check_update(state, self._saver.saved_step, is_over)

    def row(self) -> dict[str, float]:
        """The steps that were skipped since the last row of the metrics, if there were any."""
        count, self._count = self._count, 0
        return {"skipped_steps": count} if count else {}

    def _line(self, bad: Bad) -> str:
        numbers = self._stream.numbers(bad.images, len(bad.t))
        return (
            f"warning: step {bad.step + 1:,} is skipped, as its loss or gradient is not finite (t {_listed(bad.t)}; "
            f"images number {_listed(numbers)} of the data, counted from 0)"
        )


def _listed(numbers: Sequence[int]) -> str:
    more = f" and {len(numbers) - SHOWN} more" if len(numbers) > SHOWN else ""
    return ", ".join(map(str, numbers[:SHOWN])) + more
