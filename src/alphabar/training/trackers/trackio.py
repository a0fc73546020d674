"""trackio: a local store of all runs (TRACKIO_DIR), which `trackio show` draws; no account and no network."""

import os
import secrets
from collections.abc import Mapping
from contextlib import redirect_stdout
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any, Self

from alphabar.training.trackers.tracker import Session, Tracker, check_installed


class Trackio(Tracker):
    """A run, by its name in a project: TRACKIO_PROJECT, or else alphabar."""

    def __init__(self, run: Any, id: str) -> None:
        self._run, self.id = run, id

    @classmethod
    def check(cls) -> None:
        """AlphabarError if trackio is not installed."""
        check_installed("trackio", "trackio", "trackio")

    @classmethod
    def open(cls, session: Session) -> Self:
        """The run of that name; a new one is named after the run directory, with digits that set it apart."""
        import trackio

        name = session.id or f"{session.folder.name}-{secrets.token_hex(3)}"
        with redirect_stdout(StringIO()):  # it prints how to look at the run
            run = trackio.init(
                os.environ.get("TRACKIO_PROJECT", "alphabar"), name, config=dict(session.settings), resume="allow",
                embed=False, auto_log_gpu=False, auto_log_cpu=False,
            )  # fmt: skip
        return cls(run, name)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """A row of the run."""
        self._run.log(dict(values), step=step)

    def image(self, step: int, name: str, picture: Path) -> None:
        """The picture, copied into the store."""
        import trackio

        self._run.log({name: trackio.Image(str(picture))}, step=step)

    def close(self, failed: bool) -> None:
        """Write what its thread still holds."""
        trackio: Any = import_module("trackio")  # it has no types
        with redirect_stdout(StringIO()):
            trackio.finish()  # that of the run alone is repeated, and printed, when Python ends
