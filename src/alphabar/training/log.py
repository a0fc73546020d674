"""The reports of a run: metrics.jsonl, TensorBoard if it is switched on, and a bar or lines for people."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TypeGuard

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from alphabar import json_lines, terminal
from alphabar.config import Training
from alphabar.errors import AlphabarError
from alphabar.files import atomic_file
from alphabar.training.state import TrainState


class Log:
    """The reports of one session of a run; use it as a context manager."""

    def __init__(
        self, folder: Path, metrics: Path, state: TrainState, end: int | None, set_size: int, console: Console
    ) -> None:
        self._metrics, self._set_size, self._console = metrics, set_size, console
        self._end, self._batch = end, state.config.training.batch_size
        self.alarmed = False
        """Whether it was said that the samples copy training images."""
        self._dropped = _forget_after(metrics, state.step)
        self._board = _tensorboard(folder / "tensorboard", state.step) if state.config.training.tensorboard else None
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[news]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=end, completed=state.step, news="")
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
        if self._board is not None:
            self._board.close()

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

    def tick(self, state: TrainState) -> None:
        """Move the bar."""
        terminal.outlive()
        self._bar.update(self._task, completed=state.step)

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
        self._plot(state.step, row)
        news = f"loss {row['loss']:.4f}  {rate:,.0f} images/s" if row["loss"] is not None else ""
        terminal.outlive()
        self._bar.update(self._task, news=news)
        if not self._console.is_terminal:
            left = f", about {(self._end - state.step) * self._batch / rate:,.0f} s left" if self._end else ""
            self._console.print(f"step {state.step}  {news}  {state.seconds:,.0f} s{left}", highlight=False)
        self.restart_clock(state)

    def write_scores(self, state: TrainState, scores: Mapping[str, float], how: Mapping[str, Any]) -> None:
        """Save the metrics of an evaluation, and how they were measured, in a line of their own."""
        self._save(state, {"evaluation": dict(scores), "evaluated": dict(how)})
        self._plot(state.step, scores, "evaluation/")

    def _save(self, state: TrainState, numbers: Mapping[str, Any]) -> dict[str, Any]:
        row = {"step": state.step, "images": state.images, **numbers}
        json_lines.append(self._metrics, row)
        return row

    def _plot(self, step: int, numbers: Mapping[str, Any], prefix: str = "") -> None:
        if self._board is not None:
            for name, value in numbers.items():
                if value is not None and name != "step":
                    self._board.add_scalar(prefix + name, value, step)

    def say(self, sentence: str) -> None:
        """A line above the bar."""
        terminal.outlive()
        self._console.print(terminal.printable(sentence), highlight=False, soft_wrap=True, markup=False)


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


def check_tensorboard(training: Training) -> None:
    """AlphabarError if TensorBoard is switched on and not installed."""
    if training.tensorboard:
        try:
            import torch.utils.tensorboard  # noqa: F401 - only to see whether it is there
        except ImportError:
            raise AlphabarError(
                'training.tensorboard needs TensorBoard: pip install "alphabar[tensorboard]".'
            ) from None


def _tensorboard(folder: Path, step: int) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=step + 1)
