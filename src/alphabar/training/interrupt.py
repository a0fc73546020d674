"""Signals as requests to the training loop: save and exit, or save and continue."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import FrameType, TracebackType

from alphabar import distributed, terminal
from alphabar.terminal.signals import EXIT, SAVE


@dataclass(frozen=True)
class Requests:
    """What signals have asked for."""

    exit: bool = False
    by_hand: bool = False
    save: bool = False


class Interrupt:
    """While it is active, a signal is a request that the loop reads: `requested` to exit, `save_requested` to save.

    Of several processes, each hears signals of its own: what they were asked for counts once they have agreed.

    After a request to exit, a further SIGINT goes to the handler that was there before, which ends the program at once;
    other signals change nothing, because a terminal that closes sends several. A SIGHUP that nohup ignores is ignored.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._heard = self._agreed = Requests()
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

    @property
    def is_heard(self) -> bool:
        """Whether this process was asked to exit, whatever the others know."""
        return self._heard.exit

    @property
    def requested(self) -> bool:
        """Whether to exit."""
        return self._requests.exit

    @property
    def by_hand(self) -> bool:
        """Whether it was Ctrl-C that asked to exit: somebody is there, and may want to see how far the run is."""
        return self._requests.by_hand

    @property
    def save_requested(self) -> bool:
        """Whether to save and go on."""
        return self._requests.save

    @property
    def _requests(self) -> "Requests":
        return self._heard if distributed.world_size() == 1 else self._agreed

    def agree(self) -> None:
        """Let what any process was asked for count for all."""
        if distributed.world_size() > 1:
            heard = self._heard
            self._agreed = Requests(*map(bool, distributed.highest(heard.exit, heard.by_hand, heard.save)))

    def answer(self, step: int | None) -> None:
        """Answer a request to save: the checkpoint of `step` is written; None: it could not be, as was said."""
        is_asked = self.save_requested
        self._heard, self._agreed = replace(self._heard, save=False), replace(self._agreed, save=False)
        if is_asked and step is not None:
            self._say(f"saved the checkpoint of step {step:,} ({SAVE.name})")

    def _note(self, number: int, frame: FrameType | None) -> None:
        terminal.outlive()
        if number == SAVE:
            self._heard = replace(self._heard, save=True)
        elif not self._heard.exit:
            self._heard = replace(self._heard, exit=True, by_hand=number == signal.SIGINT)
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
