"""One side's part of the race: which, on what terms, and where it lies."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alphabar import config as c
from alphabar.errors import AlphabarError
from alphabar.files import atomic_file


@dataclass(frozen=True)
class Terms:
    """What all sides agree on, and the two ways in which the others may leave their defaults."""

    minutes: float
    """Of CPU time."""
    peer_batch: int | None = None
    """Images per update of the other sides; their own default if None."""
    lucidrains_dim: int | None = None
    """The width of that U-Net; the one whose size is nearest to the recipe's if None."""
    calibration_steps: int = 160
    """Updates by whose CPU time alphabar reckons how many fit into the budget."""


@dataclass(frozen=True)
class Task:
    """A side, on the data set `data` (and with the recipe of that name), from one seed."""

    folder: Path
    data: str
    seed: int
    side: str

    @property
    def path(self) -> Path:
        """Where all that it leaves behind lies."""
        return self.folder / f"{self.data}-seed{self.seed}" / self.side

    @property
    def weights(self) -> Path:
        """The averaged weights, once it is trained."""
        return self.path / "weights.safetensors"

    @property
    def is_trained(self) -> bool:
        """Whether its budget is spent."""
        return (self.path / "done.json").exists()

    def recipe(self, *overrides: str) -> c.Config:
        """The recipe of the data set."""
        return c.load(self.data, overrides)

    def result(self) -> dict[str, Any]:
        """What the training left on record."""
        found: dict[str, Any] = json.loads((self.path / "done.json").read_text())
        return found

    def finish(self, result: dict[str, Any]) -> None:
        """Record that the budget is spent, and on what."""
        write_json(self.path / "done.json", {"side": self.side, "data": self.data, "seed": self.seed, **result})

    def agree(self, terms: Terms) -> None:
        """Write down the terms; AlphabarError if the task was begun on others."""
        path, asked = self.path / "terms.json", asdict(terms)
        begun = json.loads(path.read_text()) if path.exists() else asked
        if begun != asked:
            changed = ", ".join(
                f"{name} {begun.get(name)} -> {asked[name]}" for name in asked if begun.get(name) != asked[name]
            )
            raise AlphabarError(
                f"{self.path} was begun on other terms ({changed}); keep those, or name another FOLDER."
            )
        write_json(path, asked)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """AlphabarError if another process is at it."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / ".race").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise AlphabarError(f"Another process is at work in {self.path}; wait for it.") from None
            yield


def tasks_in(folder: Path) -> list[Task]:
    """All that are trained."""
    found = sorted(path.parent for path in folder.glob("*-seed*/*/done.json"))
    results = [json.loads((path / "done.json").read_text()) for path in found]
    return [Task(folder, result["data"], result["seed"], result["side"]) for result in results]


def write_json(path: Path, content: Any) -> None:
    """The file is whole, or not there."""
    with atomic_file(path) as file:
        file.write(json.dumps(content, indent=1).encode())
