"""Tracking: the trackers of a session. One that fails is left out from there on; it never stops the training."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from alphabar import distributed
from alphabar.config import Config, Training
from alphabar.files import read_json, write_json
from alphabar.training.trackers import TRACKERS
from alphabar.training.trackers.tracker import Session, Tracker

LONGEST = 200
"""Characters that are shown of a tracker's error, which may be pages long."""


def check(training: Training) -> None:
    """AlphabarError if a tracker is chosen that cannot be used here."""
    for name in training.tracker:
        TRACKERS[name].check()


class Tracking:
    """The open trackers of a session, by name; none of them in processes other than the first."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._open = say, dict[str, Tracker]()

    def open(self, folder: Path, config: Config, step: int) -> None:
        """Open the trackers of `config` for the run directory `folder`; the ids of their runs are kept there."""
        if not distributed.is_main():
            return
        session = Session(folder, config.model_dump(mode="json"), step, None)
        for name in config.training.tracker:
            with self._guarded(name):
                ids = _ids(folder)
                tracker = self._open[name] = TRACKERS[name].open(replace(session, id=ids.get(name)))
                if tracker.id not in (None, ids.get(name)):
                    write_json(_place(folder), ids | {name: tracker.id})

    def scalars(self, step: int, values: Mapping[str, object], prefix: str = "") -> None:
        """The numbers among `values`, each under its name with the prefix."""
        numbers = {f"{prefix}{key}": float(value) for key, value in values.items() if isinstance(value, int | float)}
        for name, tracker in [*self._open.items()]:
            with self._guarded(name):
                tracker.scalars(step, numbers)

    def image(self, step: int, name: str, picture: Path) -> None:
        """A PNG file."""
        for tracker_name, tracker in [*self._open.items()]:
            with self._guarded(tracker_name):
                tracker.image(step, name, picture)

    def close(self, failed: bool) -> None:
        """Close all; failed: an error ended the session."""
        for name, tracker in [*self._open.items()]:
            with self._guarded(name):
                tracker.close(failed)
        self._open.clear()

    @contextmanager
    def _guarded(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # of a foreign program, on which the training does not depend
            self._open.pop(name, None)
            lines = str(error).strip().splitlines() or [type(error).__name__]
            self._say(f"warning: {name} gets nothing more in this session, because it failed ({lines[0][:LONGEST]})")


def _place(folder: Path) -> Path:
    return folder / "trackers.json"


def _ids(folder: Path) -> dict[str, str]:
    """What the trackers call the run; ValueError if the file was spoiled."""
    if not _place(folder).exists():
        return {}
    ids = read_json(_place(folder))
    if not isinstance(ids, dict) or not all(isinstance(id, str) for id in ids.values()):
        raise ValueError(f"{_place(folder)} does not hold the ids of trackers; remove it to begin new runs there")
    return ids
