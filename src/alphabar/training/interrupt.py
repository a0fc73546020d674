"""Signals as requests to the training loop: save and exit, or save and continue."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType

from alphabar import terminal

EXIT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Finish the step, save, and exit."""
SAVE = signal.SIGUSR1
"""Finish the step, save, and continue."""


class Interrupt:
    """While it is active, a signal is a request that the loop reads: `requested` to exit, `save_requested` to save.

    After a request to exit, a further SIGINT goes to the handler that was there before, which ends the program at once;
    other signals change nothing, because a terminal that closes sends several. A SIGHUP that nohup ignores is ignored.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.requested = False
        self.save_requested = False
        self.by_hand = False
        """Whether it was Ctrl-C that asked to exit: somebody is there, and may want to see how far the run is."""
        self._say = say
        self._previous: dict[signal.Signals, object] = {}

    def __enter__(self) -> "Interrupt":
        if threading.current_thread() is threading.main_thread():  # other threads cannot set handlers
            for number in (*EXIT, SAVE):
                if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                    self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, where: TracebackType | None
    ) -> None:
        for number in list(self._previous):
            self._restore(number)

    def answer(self, step: int | None) -> None:
        """Answer a request to save: the checkpoint of `step` is written; None: it could not be, as was said."""
        is_asked, self.save_requested = self.save_requested, False
        if is_asked and step is not None:
            self._say(f"saved the checkpoint of step {step:,} ({SAVE.name})")

    def _note(self, number: int, frame: FrameType | None) -> None:
        terminal.outlive()
        if number == SAVE:
            self.save_requested = True
        elif not self.requested:
            self.requested, self.by_hand = True, number == signal.SIGINT
            self._say_at_once("finishing this step and saving; press Ctrl-C again to quit now and lose unsaved work")
        elif number == signal.SIGINT and signal.SIGINT in self._previous:
            self._restore(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    def _say_at_once(self, sentence: str) -> None:
        try:
            self._say(sentence)
        except (OSError, RuntimeError):  # RuntimeError: the signal came while the same stream was being written
            with contextlib.suppress(OSError):
                os.write(terminal.STDERR, f"{sentence}\n".encode())

    def _restore(self, number: signal.Signals) -> None:
        handler = self._previous.get(number)
        if handler is not None:  # None: it was not set from Python, or was restored before
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal gave us
        self._previous.pop(number, None)  # after it: a signal may come between any two lines
