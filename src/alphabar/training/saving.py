"""Checkpoints beside the training: a thread copies the tensors before the next update, verifies, writes and commits."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from alphabar import distributed
from alphabar.config import Config
from alphabar.errors import AlphabarError, StorageError
from alphabar.runs import checkpoint
from alphabar.runs.run import Run
from alphabar.training import scoring
from alphabar.training.host_copy import Files, HostCopy
from alphabar.training.mishaps import divergence
from alphabar.training.state import TrainState

MOST_FAILURES = 3
"""Saves in a row that a full or broken disk may refuse; the training goes on meanwhile."""


class Saver:
    """The checkpoints of a session of a run, of which at most one is being written; by the main process, for all.

    An error of the thread is raised by the next `look`, `wait` or `begin`: a checkpoint that is not finite ends the
    run, and so do three saves in a row that the disk refused. After fewer of them, `say` gets a line.
    """

    def __init__(self, run: Run, state: TrainState, saved_step: int | None, say: Callable[[str], None]) -> None:
        self.saved_step = saved_step
        """The step of the newest checkpoint that is written whole."""
        self._run, self._keep, self._say = run, state.config.training.keep_checkpoints, say
        self._copy = HostCopy()
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._failures, self._is_prepared, self._is_begun = 0, False, False

    def __enter__(self) -> "Saver":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, where: TracebackType | None
    ) -> None:
        """Nothing is written after this: the run may belong to another process then."""
        if self._thread is not None:
            self._thread.join()

    def prepare(self, state: TrainState) -> None:
        """Take the memory for the copies after the first step, when the optimizer has moments; no step waits for it."""
        if not self._is_prepared:
            self._is_prepared = True
            self._start(self._copy.prepare, state.tensors())

    def begin(self, state: TrainState) -> None:
        """Write a checkpoint of this state while the training goes on; waits for the one before.

        The tensors are copied during the next step, which waits for that before it changes them.
        """
        self.wait()
        tensors, numbers = state.tensors(), state.numbers()
        if distributed.is_main():
            state.is_copied.clear()
        self._start(self._write, state, state.step, tensors, numbers)

    def look(self) -> None:
        """Raise the error of the last save, if it is over and had one."""
        is_busy = self._is_begun and distributed.of_main(self._thread is not None and self._thread.is_alive())
        if not is_busy:
            self.wait()

    def wait(self, last: bool = False) -> None:
        """Wait for the save that was begun. last: no other follows, so that its error is raised, whatever it is."""
        if not self._is_begun:
            return
        if self._thread is not None:
            self._thread.join()
        error, self.saved_step = distributed.of_main((self._error, self.saved_step))
        self._thread, self._error, self._is_begun = None, None, False
        if isinstance(error, StorageError):
            self._failures += 1
            if last or self._failures >= MOST_FAILURES:
                raise distributed.said_once(error)
            self._say(f"warning: {error} Training goes on, and the next save tries again.")
        elif isinstance(error, AlphabarError):
            raise distributed.said_once(error)
        elif error is not None:
            raise error
        else:
            self._failures = 0

    def _start(self, work: Callable[..., None], *args: object) -> None:
        def run() -> None:
            try:
                work(*args)
            except BaseException as error:
                self._error = error

        self._is_begun = True
        if distributed.is_main():
            self._thread = threading.Thread(target=run, name="checkpoint")
            self._thread.start()

    def _write(self, state: TrainState, step: int, tensors: Files, numbers: dict[str, Any]) -> None:
        try:
            copies = self._copy.of(tensors)
        finally:
            state.is_copied.set()
        self._commit(state.config, step, copies, numbers)

    def _commit(self, config: Config, step: int, tensors: Files, numbers: dict[str, Any]) -> None:
        self._copy.finish()
        divergence.check_finite(config, tensors, step, self.saved_step)
        checkpoint.save(self._run.checkpoints, step, tensors, numbers)
        self.saved_step = step
        scoring.prune(self._run, self._keep)
