"""Tracker: a program that keeps the curves, settings and pictures of trainings, as an optional extra."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, Self

from alphabar.errors import AlphabarError


@dataclass(frozen=True)
class Session:
    """What a tracker is opened with."""

    folder: Path
    """The run directory."""
    settings: Mapping[str, Any]
    """The settings of the run, by section."""
    step: int
    """The step that the session starts after; 0 for a new run."""
    id: str | None
    """What the tracker called this run in an earlier session; None in the first."""


class Tracker(Protocol):
    """A run in a tracker. Any method may fail: whoever calls them goes on without it.

    Its library is imported by `check` and `open`, so that only those that are chosen need to be installed.
    """

    id: str | None
    """What finds this run again in the next session; None if the run directory does."""

    @classmethod
    def check(cls) -> None:
        """AlphabarError if the tracker cannot be used here: not installed, or no key."""
        ...

    @classmethod
    def open(cls, session: Session) -> Self:
        """The run of that id, to be continued; or a new one, which gets the settings."""
        ...

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers of a training step."""
        ...

    def image(self, step: int, name: str, picture: Path) -> None:
        """A PNG file of a training step."""
        ...

    def close(self, failed: bool) -> None:
        """Write what is left. failed: an error ended the session."""
        ...


def check_installed(name: str, library: str, extra: str) -> None:
    """AlphabarError if the library of the tracker `name` cannot be imported."""
    try:
        import_module(library)
    except ImportError:
        raise AlphabarError(
            f'training.tracker={name} needs a package that is not installed: pip install "alphabar[{extra}]".'
        ) from None
