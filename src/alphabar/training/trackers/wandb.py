"""Weights & Biases: offline in RUN/wandb, unless WANDB_MODE says otherwise; `wandb sync` uploads it later."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from alphabar.errors import AlphabarError
from alphabar.training.trackers.tracker import Session, Tracker, check_installed

PATIENCE = 30
"""Seconds that a server has to answer when the session starts."""


class Wandb(Tracker):
    """A run with an id of ours, which sessions share; offline, each session is a folder of its own."""

    def __init__(self, run: Any, id: str) -> None:
        self._run, self.id = run, id

    @classmethod
    def check(cls) -> None:
        """AlphabarError if wandb is not installed, or if it should go online and would have to ask for a key."""
        check_installed("wandb", "wandb", "wandb")
        if _mode() == "online" and not _has_key():
            raise AlphabarError(
                "WANDB_MODE is online, and there is no API key: run `wandb login`, set WANDB_API_KEY, or unset "
                "WANDB_MODE to write offline."
            )

    @classmethod
    def open(cls, session: Session) -> Self:
        """The run of that id, in the project WANDB_PROJECT, or else alphabar."""
        import wandb

        id, mode = session.id or secrets.token_hex(4), _mode()
        quiet = wandb.Settings(silent=True, console="off", disable_git=True, init_timeout=PATIENCE)
        run = wandb.init(
            id=id, mode=mode, dir=session.folder, name=session.folder.name, config=dict(session.settings),
            project=os.environ.get("WANDB_PROJECT", "alphabar"), settings=quiet, allow_val_change=True,
            resume="allow" if mode == "online" else None,
        )  # fmt: skip
        return cls(run, id)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """A row of the run's history; wandb joins rows of the same step."""
        self._run.log(dict(values), step=step)

    def image(self, step: int, name: str, picture: Path) -> None:
        """The picture, in the row of its step."""
        import wandb

        self._run.log({name: wandb.Image(str(picture))}, step=step)

    def close(self, failed: bool) -> None:
        """Write the rest; online, upload it."""
        self._run.finish(exit_code=int(failed))


def _mode() -> Any:
    """Offline by default: no account, no network, no question."""
    return os.environ.get("WANDB_MODE", "offline")


def _has_key() -> bool:
    import wandb

    return bool(os.environ.get("WANDB_API_KEY") or wandb.api.api_key)
