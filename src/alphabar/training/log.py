"""The reports of a run: metrics.jsonl, the trackers that are chosen, and a bar or lines for people."""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TypeGuard

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from alphabar import distributed, terminal
from alphabar.errors import AlphabarError
from alphabar.files import atomic_file, json_lines
from alphabar.training.clock.length import Length
from alphabar.training.state import TrainState
from alphabar.training.trackers.tracking import Tracking

REFRESH = 0.2
LINE_EVERY = 60.0
"""Seconds between two updates of the bar, and between two lines where there is no terminal."""


class Log:
    """The reports of one session of a run; use it as a context manager."""

    def __init__(
        self, folder: Path, metrics: Path, state: TrainState, length: Length, set_size: int, console: Console
    ) -> None:
        self._metrics, self._set_size, self._console, self._length = metrics, set_size, console, length
        self.alarmed = False
        """Whether it was said that the samples copy training images."""
        self._writes = distributed.is_main()
        self._dropped = _forget_after(metrics, state.step) if self._writes else 0
        self._tracking = Tracking(self.say)
        self._tracking.open(folder, state.config, state.step)
        self._rows: list[dict[str, Any]] = []
        """Rows that are not written yet."""
        self._bar = Progress(
            TextColumn("training"), BarColumn(), TextColumn("{task.fields[news]}"), console=console,
            disable=not console.is_terminal,
        )  # fmt: skip
        self._task = self._bar.add_task("", total=None, news="")
        self._loss, self._rate, self._shown = "", 0.0, -math.inf
        self.restart_clock(state)

    def __enter__(self) -> "Log":
        self._bar.start()
        if self._dropped:
            lines = "1 line that is not a row" if self._dropped == 1 else f"{self._dropped:,} lines that are not rows"
            self.say(f"warning: dropped {lines} of metrics from {self._metrics}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, where: TracebackType | None
    ) -> None:
        self._bar.stop()
        self._tracking.close(failed=kind is not None)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Hide the bar, so that another one can be shown."""
        self._bar.stop()
        try:
            yield
        finally:
            self._bar.start()

    def restart_clock(self, state: TrainState) -> None:
        """Measure images/s from here on: the time since the last step was not spent on training."""
        self._mark, self._marked_images = time.perf_counter(), state.images

    def go_back(self, state: TrainState) -> None:
        """Drop the rows after the step of `state`, which an earlier checkpoint brought back."""
        self._rows.clear()
        if self._writes:
            _forget_after(self._metrics, state.step)
        self.restart_clock(state)

    def tick(self, state: TrainState, last: bool = False) -> None:
        """Move the bar; without a terminal, a line at the first step, after every minute, and at the end."""
        terminal.outlive()
        now = time.perf_counter()
        if last or now - self._shown > (REFRESH if self._console.is_terminal else LINE_EVERY):
            self._shown = now
            self._show(state)

    def _show(self, state: TrainState) -> None:
        images, seconds = state.images - self._marked_images, time.perf_counter() - self._mark
        rate = images / seconds if images and seconds > 0 else self._rate
        steps_per_second = rate / state.config.training.batch_size
        end = self._length.end(state.pace)
        left = self._length.seconds_left(state.pace, state.step, state.seconds, steps_per_second)
        about = "about " if self._length.seconds is not None else ""
        step = f"step {state.step:,}" + (f" of {about}{end:,}" if end else "")
        parts = [
            step,
            self._loss,
            f"{rate:,.3g} images/s" if rate < 1000 else f"{rate:,.0f} images/s",
            span(state.seconds),
        ]
        parts += [f"{span(left)} left"] if left is not None else []
        text = "  ".join(part for part in parts if part)
        total = None if left is None else state.seconds + left
        self._bar.update(self._task, completed=state.seconds, total=total, news=text)
        if not self._console.is_terminal:
            self._console.print(text, highlight=False, soft_wrap=True, markup=False)

    def write(self, state: TrainState, **more: float) -> None:
        """Read the meter, and report and save its values."""
        rate = (state.images - self._marked_images) / max(time.perf_counter() - self._mark, 1e-9)
        numbers = {
            "epoch": round(state.images / self._set_size, 4),
            **state.meter.read(),
            **more,
            "images_per_second": round(rate, 2),
            "seconds": round(state.seconds, 2),
        }
        row = self._save(state, numbers)
        self._tracking.scalars(state.step, {name: value for name, value in row.items() if name != "step"})
        self._rate = rate
        self._loss = f"loss {row['loss']:.4f}" if row["loss"] is not None else ""
        self.restart_clock(state)

    def write_scores(self, state: TrainState, scores: Mapping[str, float], how: Mapping[str, Any]) -> None:
        """Save the metrics of an evaluation, and how they were measured, in a line of their own."""
        self._save(state, {"evaluation": dict(scores), "evaluated": dict(how)})
        self._tracking.scalars(state.step, scores, "evaluation/")

    def _save(self, state: TrainState, numbers: Mapping[str, Any]) -> dict[str, Any]:
        row = {"step": state.step, "images": state.images, **numbers}
        if self._writes:
            self._rows.append(row)
        try:
            while self._rows:
                json_lines.append(self._metrics, self._rows[0])
                del self._rows[0]
        except AlphabarError as error:  # a full disk, which does not end the training
            self.say(f"warning: {error} The next line is written with those that are missing.")
        return row

    def show(self, state: TrainState, picture: Path) -> None:
        """Hand the preview grid of this step to the trackers."""
        self._tracking.image(state.step, "samples", picture)

    def say(self, sentence: str) -> None:
        """A line above the bar."""
        terminal.outlive()
        self._console.print(terminal.printable(sentence), highlight=False, soft_wrap=True, markup=False)


def span(seconds: float) -> str:
    """A time for people: "40 s", "12 min", "1 h 05 min"."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60:02} min"


def _forget_after(metrics: Path, step: int) -> int:
    """Drop the rows after `step`, which a killed run did not save, and lines that are not rows; counts the latter."""
    lines = list(json_lines.lines(metrics))
    kept = b"".join(line.raw + b"\n" for line in lines if is_row(line.row) and line.row["step"] <= step)
    if metrics.exists() and metrics.read_bytes() != kept:
        with atomic_file(metrics) as file:
            file.write(kept)
    return sum(not is_row(line.row) for line in lines)


def is_row(row: dict[str, Any] | None) -> TypeGuard[dict[str, Any]]:
    """Whether `row` is one that a `Log` writes: the step, the images seen, and a loss or an evaluation."""
    if row is None or not all(type(row.get(key)) is int and row[key] >= 0 for key in ("step", "images")):
        return False
    if "evaluation" in row:
        return isinstance(row["evaluation"], dict)
    return "loss" in row and (row["loss"] is None or type(row["loss"]) in (int, float))
