"""The runs that the page may read: those that were named when it was started, and the bundled models. No others."""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path

from alphabar.api.model import Model, load
from alphabar.errors import AlphabarError
from alphabar.registry import look_up
from alphabar.runs import bundled
from alphabar.runs.naming import is_one, steps
from alphabar.runs.run import Run

KEPT = 2
"""Models in memory at a time."""


def offered(runs: Sequence[Path]) -> dict[str, Path]:
    """Name -> run: each run by its folder's name, or by its path if two have that name; then the bundled models.

    AlphabarError for a path that is no run.
    """
    for run in runs:
        place = bundled.located(run)
        if not (is_one(place) or Run(place).config.is_file()):
            raise bundled.no_run(run)
    several = list(dict.fromkeys([*runs, *map(Path, bundled.names())]))
    short = [run.absolute().name or str(run) for run in several]
    return {str(run) if short.count(name) > 1 else name: run for run, name in zip(several, short, strict=True)}


class Models:
    """The offered runs, and the models of the last few that were asked for."""

    def __init__(self, paths: Mapping[str, Path], device: str = "auto") -> None:
        self.paths = dict(paths)
        self._device = device
        self._kept: OrderedDict[tuple[str, str], Model] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def names(self) -> list[str]:
        """What a run can be chosen by."""
        return list(self.paths)

    def path(self, name: object) -> Path:
        """The run of this name; AlphabarError if it is not among those that are offered."""
        if not isinstance(name, str):
            raise AlphabarError("No run was chosen; choose one.")
        return look_up(self.paths, name, "run")

    def model(self, name: object) -> Model:
        """The model of the newest checkpoint of a run; AlphabarError if there is none yet."""
        path = self.path(name)
        key = (str(path), _newest(path))
        with self._lock:
            if key not in self._kept:
                self._kept[key] = load(path, device=self._device)
            self._kept.move_to_end(key)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return self._kept[key]


def _newest(path: Path) -> str:
    """The name of a run's newest checkpoint, which changes while the run is trained; empty without one."""
    folder = Run(bundled.located(path)).checkpoints
    return max((each.name for each in steps(folder)), default="")
