"""TensorBoard: event files in RUN/tensorboard, by torch's own writer."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from alphabar.images import opened
from alphabar.training.trackers.tracker import Session, Tracker, check_installed


class TensorBoard(Tracker):
    """A folder of event files; a resumed run adds one, which hides the points after its first step."""

    def __init__(self, writer: Any) -> None:
        self._writer, self.id = writer, None

    @classmethod
    def check(cls) -> None:
        """AlphabarError if TensorBoard is not installed."""
        check_installed("tensorboard", "torch.utils.tensorboard", "tensorboard")

    @classmethod
    def open(cls, session: Session) -> Self:
        """A writer into RUN/tensorboard."""
        from torch.utils.tensorboard import SummaryWriter

        writer: Any = SummaryWriter(str(session.folder / "tensorboard"), purge_step=session.step + 1)
        block = json.dumps(session.settings, indent=1).replace("\n", "\n    ")
        writer.add_text("settings", f"    {block}", session.step)
        return cls(writer)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """A point on each curve."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def image(self, step: int, name: str, picture: Path) -> None:
        """The picture, under its name, with a slider over the steps."""
        with opened(picture) as image:
            self._writer.add_image(name, np.asarray(image.convert("RGB")), step, dataformats="HWC")

    def close(self, failed: bool) -> None:
        """Flush the event file."""
        self._writer.close()
