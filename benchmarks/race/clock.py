"""How much of its budget a side has used: CPU seconds of its process, and seconds on the wall beside them."""

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.race.task import write_json

SAY_EVERY = 30.0
WRITE_EVERY = 5.0


class Clock:
    """Goes on from what earlier sessions used."""

    def __init__(self, cpu: float = 0.0, wall: float = 0.0) -> None:
        self._cpu, self._wall = cpu - time.process_time(), wall - time.perf_counter()

    @property
    def cpu(self) -> float:
        """Of all threads of this process, children not counted."""
        return self._cpu + time.process_time()

    @property
    def wall(self) -> float:
        """While a session ran."""
        return self._wall + time.perf_counter()

    def read(self) -> dict[str, float]:
        """Both, for a file."""
        return {"cpu_s": round(self.cpu, 2), "wall_s": round(self.wall, 2)}


def say(line: str) -> None:
    """A line for whoever watches."""
    print(line, file=sys.stderr, flush=True)


@contextmanager
def watched(path: Path, label: str, minutes: float) -> Iterator[Clock]:
    """The clock of work that cannot be looked into: a thread notes the time in `path`, and says it now and then.

    After a kill it goes on from the last note, so that work which the kill undid stays counted.
    """
    used = json.loads(path.read_text()) if path.exists() else {"cpu_s": 0.0, "wall_s": 0.0}
    clock, over = Clock(used["cpu_s"], used["wall_s"]), threading.Event()

    def watch() -> None:
        said = clock.wall
        while not over.wait(WRITE_EVERY):
            write_json(path, clock.read())
            if clock.wall - said >= SAY_EVERY:
                said = clock.wall
                say(f"{label}  {clock.cpu / 60:.1f} of about {minutes:g} CPU minutes")

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield clock
    finally:
        over.set()
        thread.join()
        write_json(path, clock.read())
