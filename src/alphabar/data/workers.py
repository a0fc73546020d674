"""Work spread over processes, in order: one that dies or hangs is started again, and its work is done again.

The processes are programs of their own, not forks (torch's threads do not survive a fork) and not multiprocessing's
spawn (which would run the user's script again). They end when the pipe to them closes, however this process ends.
"""

import math
import os
import pickle
import signal
import socket
import struct
import subprocess
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from alphabar.data.files import UnreadableError, printable
from alphabar.errors import AlphabarError

PATIENCE = 30.0  # seconds without a result after which a process counts as hanging
_START = 4  # times as long may a process take to start, which imports torch
TRIES = 3
_BLOCK = 32  # items given to a process at a time
_AHEAD = 4  # blocks in work or waiting to be fetched, per process
_PROGRAM = "import sys; from alphabar.data.workers import serve; serve(int(sys.argv[1]))"

I = TypeVar("I")  # noqa: E741 - an item
O = TypeVar("O")  # noqa: E741 - what comes out


def cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_processes(
    work: Callable[[I], O], items: Iterable[I], name: Callable[[I], str] = str, count: int = 0
) -> Iterator[O | UnreadableError]:
    """work(item) or the UnreadableError that it raised, in the order of `items`, by `count` processes (0: one a core).

    `work`, items and results must be picklable. AlphabarError if work raises another error, or if the processes that
    do an item die or hang TRIES times; `name` says which item that was.
    """
    waiting = iter(items)
    pool = [_Worker(work) for _ in range(count or cores())]
    blocks: deque[_Block[I, O]] = deque()
    try:
        while True:
            for worker in pool:
                if worker.block is None and (block := _next(blocks, waiting, _AHEAD * len(pool))) is not None:
                    worker.give(block)
            if not blocks:
                return
            while blocks and blocks[0].results:
                yield blocks[0].results.popleft()
                blocks[0].taken += 1
            if blocks[0].taken == len(blocks[0].items):
                blocks.popleft()
            else:
                _listen(pool, name)
    finally:
        for worker in pool:
            worker.stop()


@dataclass(eq=False)
class _Block(Generic[I, O]):
    """Items in work, and the results that were not fetched yet."""

    items: list[I]
    results: deque[O | UnreadableError] = field(default_factory=deque)
    taken: int = 0
    failures: int = 0
    """How often a process died or hung over the item that is next."""
    is_given: bool = False

    @property
    def done(self) -> int:
        return self.taken + len(self.results)


def _next(blocks: deque[_Block[I, O]], waiting: Iterator[I], most: int) -> _Block[I, O] | None:
    """A block that no process has: one whose process failed, or a new one."""
    for block in blocks:
        if not block.is_given and block.done < len(block.items):
            return block
    if len(blocks) >= most or not (items := list(islice(waiting, _BLOCK))):
        return None
    blocks.append(_Block(items))
    return blocks[-1]


def _listen(pool: list["_Worker"], name: Callable[[Any], str]) -> None:
    """Take what the processes have to say; those that died or are silent for too long are started again."""
    busy = {worker.pipe: worker for worker in pool if worker.block is not None}
    started = time.monotonic()
    ready = wait(list(busy), timeout=1.0)
    elapsed = time.monotonic() - started
    for pipe, worker in busy.items():
        worker.silence += elapsed  # only while somebody listens: a slow reader is not a hanging process
        failed = worker.silence > worker.patience
        if pipe in ready:
            try:
                worker.take(pipe.recv())
                continue
            except (OSError, EOFError, pickle.UnpicklingError):
                failed = True
        if failed:
            worker.fail(name)


class _Worker:
    """A process that does work, and the block that it has."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self._work = work
        self.block: _Block[Any, Any] | None = None
        self.silence = 0.0
        self._start()

    def _start(self) -> None:
        here, there = socket.socketpair()
        for option in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):  # a stopped process must not stop this one
            here.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", int(PATIENCE) or 1, 0))
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
        with there:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, str(there.fileno())],
                pass_fds=(there.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,  # Ctrl-C is for the main process, which then closes the pipe
            )
        self.pipe: Connection[Any, Any] = Connection(here.detach())
        self.patience = _START * PATIENCE
        with suppress(OSError):
            self.pipe.send(self._work)

    def give(self, block: _Block[Any, Any]) -> None:
        self.block, self.silence = block, 0.0
        block.is_given = True
        try:
            self.pipe.send(block.items[block.done :])
        except OSError:  # it died, or it does not read: the next look at it starts it again
            self.silence = math.inf

    def take(self, message: tuple[str, Any]) -> None:
        assert self.block is not None
        kind, value = message
        if kind == "stop":
            raise AlphabarError(value)
        self.silence, self.patience = 0.0, PATIENCE
        if kind == "ready":
            return
        self.block.failures = 0
        self.block.results.append(_Unusable(value) if kind == "unreadable" else value)
        if self.block.done == len(self.block.items):
            self.block = None

    def fail(self, name: Callable[[Any], str]) -> None:
        """Start the process again; AlphabarError if it failed too often over the same item."""
        block = self.block
        assert block is not None
        how = "took too long" if self.silence > self.patience else "ended"
        self.stop()
        block.failures += 1
        if block.failures >= TRIES:
            raise AlphabarError(
                f"A process that reads images {how} {TRIES} times at {name(block.items[block.done])}; is there enough "
                "memory, and can that file be read?"
            )
        block.is_given, self.block, self.silence = False, None, 0.0
        self._start()

    def stop(self) -> None:
        self.pipe.close()
        self.process.kill()
        self.process.wait()


class _Unusable(UnreadableError):
    """An UnreadableError of another process, of which the reason is known."""

    def __init__(self, reason: str) -> None:
        AlphabarError.__init__(self, reason)
        self.reason = reason


def serve(handle: int) -> None:
    """The program of a process: it receives the work, says that it is ready, then sends each item's result."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")  # Pillow's warnings name no file; our reasons and notes say what matters
    pipe: Connection[Any, Any] = Connection(handle)
    with suppress(EOFError, OSError):  # the other end is gone
        work = pipe.recv()
        pipe.send(("ready", None))
        while True:
            for item in pipe.recv():
                pipe.send(_attempt(work, item))


def _attempt(work: Callable[[Any], Any], item: Any) -> tuple[str, Any]:
    try:
        return "ok", work(item)
    except UnreadableError as error:
        return "unreadable", error.reason
    except AlphabarError as error:
        return "stop", str(error)
    except Exception as error:  # a mistake of ours: said, not swallowed
        return "stop", f"Reading an image failed: {type(error).__name__}: {printable(str(error))[:300]}."
