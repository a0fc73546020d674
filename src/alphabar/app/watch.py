"""What the Runs tab shows of a run directory: how its training goes, its previews, and its evaluations."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from alphabar import images, plots
from alphabar.app.offered import Models
from alphabar.app.shelf import Shelf
from alphabar.errors import AlphabarError
from alphabar.evaluation.report import bytes_per_image, score_lines, units
from alphabar.files import json_lines
from alphabar.runs import bundled, evaluations, previews
from alphabar.runs.run import Run, home
from alphabar.training.log import is_row, span

NO_RUN = "no other run"
"""The choice that compares with nothing."""
Stamp = tuple[object, ...]
"""Changes when there is something new to show."""


@dataclass(frozen=True)
class Shown:
    """A run at one moment."""

    status: str
    loss: str | None
    """The picture of the loss; None without a row of metrics."""
    scores: str | None
    """The picture of the scores of evaluations while training."""
    previews: list[int]
    """The training steps that have a preview."""
    table: list[list[str]]
    """The lines of the newest evaluation, with SCORES as columns."""
    about: str
    """What was evaluated."""


@dataclass(frozen=True)
class Watch:
    """The events of the tab, without the tab."""

    models: Models
    shelf: Shelf

    def stamp(self, run: str) -> Stamp:
        """Sizes and times of what the run has written."""
        if run == NO_RUN:
            return (run,)
        path = self.models.path(run)
        place = Run(bundled.located(path))
        files = (place.metrics, home(path) / evaluations.EVALUATIONS)
        return (run, *map(_stamp, files), len(previews.steps(place.path)))

    def shown(self, run: str) -> Shown:
        """The run as it is now."""
        if run == NO_RUN:
            return Shown("", None, None, [], [], "")
        path = self.models.path(run)
        place = Run(bundled.located(path))
        table, text = newest(path, "metrics", score_lines)
        return Shown(
            status(place), self._plot(place.metrics, plots.loss_curve), self._plot(place.metrics, plots.scores),
            previews.steps(place.path), table, text,
        )  # fmt: skip

    def preview(self, run: str, number: float) -> tuple[Image.Image | None, str]:
        """Preview `number` of a run, from 0, and its training step in words."""
        if run == NO_RUN:
            return None, ""
        place = bundled.located(self.models.path(run))
        steps = previews.steps(place)
        if not 0 <= number < len(steps):
            return None, ""
        grid = previews.of_step(place, steps[int(number)])
        return None if grid is None else images.to_pil(grid), f"Preview at step {steps[int(number)]:,}"

    def _plot(self, metrics: Path, draw: Callable[[Path, Path], None]) -> str | None:
        path = self.shelf.place() / f"{draw.__name__}.png"
        draw(metrics, path)
        return str(path) if path.exists() else None


def _stamp(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError:
        return (0, 0)
    return (stat.st_size, stat.st_mtime_ns)


def status(run: Run) -> str:
    """The last row of metrics in words."""
    rows = [row for row in json_lines.rows(run.metrics) if is_row(row) and "images_per_second" in row]
    if not rows:
        return "This run has no record of its training."
    last = rows[-1]
    parts = [f"step {last['step']:,}"]
    for name, text in (("loss", "loss {:.4f}"), ("images_per_second", "{:,.0f} images/s")):
        if isinstance(last.get(name), int | float):
            parts.append(text.format(last[name]))
    if isinstance(last.get("seconds"), int | float):
        parts.append(f"trained for {span(last['seconds'])}")
    return ", ".join(parts)


def newest(run: Path, kind: str, lines: Callable[[Mapping[str, Any]], list[list[str]]]) -> tuple[list[list[str]], str]:
    """The lines of the newest evaluation of a kind, "metrics" or "bits_per_dim", and what was evaluated."""
    try:
        rows = [row for row in evaluations.read(home(run)) if kind in row]
    except AlphabarError as error:
        return [], str(error)
    for row in reversed(rows):
        try:
            return lines(row), about(row)
        except (KeyError, TypeError, ValueError, AttributeError):  # a row of another version, or edited by hand
            continue
    option = " --bpd" if kind == "bits_per_dim" else ""
    return [], f"Not evaluated yet: `alphabar evaluate {run}{option}` does it."


def about(row: Mapping[str, Any]) -> str:
    """What a row of an evaluation is of."""
    if "bits_per_dim" in row:
        parts = [f"{row['n']:,} {row['split']} images, step {row['step']:,}", units(row)]
        return "; ".join([*parts, *bytes_per_image(row)])
    of = row["images"]
    step = f", step {of['step']:,}, {of['nfe']} network calls per image" if "step" in of else ""
    return f"{row['n_fake']:,} images{step}; {row['extractor']['name']} features"
