"""How far a run is, as its directory says: for those who watch while another process trains."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alphabar import config as c
from alphabar.errors import AlphabarError
from alphabar.files import json_lines, read_json
from alphabar.runs import bundled, lock
from alphabar.runs.previews import is_whole
from alphabar.runs.run import Run
from alphabar.training.clock.length import Length
from alphabar.training.clock.pace import Pace
from alphabar.training.log import is_row, span


@dataclass(frozen=True)
class RunProgress:
    """The newest row of metrics of a run, and what follows from it."""

    path: Path
    is_training: bool
    """Whether a process trains in the run directory now."""
    row: Mapping[str, Any] | None
    """The newest row of metrics.jsonl with a loss; None before the first."""
    seconds_left: float | None
    """The time to the end at the speed of that row; None without an end or a row."""
    end: int | None
    """The step that ends the run; None if only the time does."""
    preview: Path | None
    """The newest preview grid; None before the first."""

    @property
    def line(self) -> str:
        """For people: "step 600 of 1,000  loss 0.0412 (0.11 0.03 0.01 0.004)  320 images/s  12 min left"."""
        if self.row is None:
            return "no metrics yet" if self.is_training else "no metrics, and no process trains"
        quartiles = [_number(self.row, f"loss_q{k}") for k in (1, 2, 3, 4)]
        by_quartile = " ".join(f"{q:.3g}" if q else "-" for q in quartiles)
        loss = self.row["loss"]
        parts = [
            f"step {self.row['step']:,}" + (f" of {self.end:,}" if self.end else ""),
            f"loss {'-' if loss is None else f'{loss:.4f}'}, by quarter of t {by_quartile}",
            f"{_number(self.row, 'images_per_second'):,.3g} images/s",
        ]
        if not self.is_training:
            parts += ["no process trains now"]
        elif self.seconds_left is not None:
            parts += [f"{span(self.seconds_left)} left"]
        return "  ".join(parts)


def progress(path: Path) -> RunProgress:
    """How far the run in the directory `path` is; AlphabarError if there is none."""
    run = Run(bundled.located(path))
    if not run.config.exists():
        raise bundled.no_run(path)
    try:
        config = c.parse(read_json(run.config))
    except (OSError, ValueError) as error:
        raise AlphabarError(f"The settings in {run.config} cannot be read ({error}).") from None
    is_training = _is_training(run.path)  # first: what is read after it is at least as new
    rows = [row for row in json_lines.rows(run.metrics) if is_row(row) and "loss" in row]
    row = rows[-1] if rows else None
    length = Length.of(config, _set_size(row))
    left = None
    if row is not None:
        speed = _number(row, "images_per_second") / config.training.batch_size
        left = length.seconds_left(Pace(), row["step"], _number(row, "seconds"), speed)
    preview = run.latest_preview if is_whole(run.latest_preview) else None
    return RunProgress(path, is_training, row, left, length.end(Pace()), preview)


def _set_size(row: Mapping[str, Any] | None) -> int:
    """About how many images the run has: `epoch` counts passes over them, to four places."""
    epoch = _number(row or {}, "epoch")
    return round(row["images"] / epoch) if row and epoch > 0 else 1


def _number(row: Mapping[str, Any], key: str) -> float:
    """0 for what is no finite number, in a file that anybody can edit."""
    value = row.get(key)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else 0.0


def _is_training(path: Path) -> bool:
    try:
        lock.check_free(path)
    except AlphabarError:
        return True
    return False
