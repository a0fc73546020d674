"""A run tells the same story to people, to programs and to the next session."""

import io
import json

import pytest
import torch
from PIL import Image
from rich.console import Console

from alphabar import plots
from alphabar.training import log, loop

CPU = torch.device("cpu")


def test_every_line_of_the_metrics_has_the_same_keys_and_the_steps_in_order(tiny, quiet, tmp_path) -> None:
    loop.train(tiny(), tmp_path / "run", CPU, quiet)
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 4, 6] and [row["images"] for row in rows] == [16, 32, 48]
    expected = {"step", "images", "epoch", "loss", "mse", "grad_norm", "learning_rate", "images_per_second", "seconds"}
    assert all(row.keys() == expected | {f"loss_q{k}" for k in (1, 2, 3, 4)} for row in rows)
    assert all(row["loss"] > 0 and row["images_per_second"] > 0 for row in rows)


def test_a_torn_line_and_the_lines_of_lost_steps_are_dropped_on_resume(tiny, quiet, tmp_path) -> None:
    metrics = tmp_path / "run" / "metrics.jsonl"
    loop.train(tiny(), tmp_path / "run", CPU, quiet)
    whole = metrics.read_text()
    metrics.write_text(whole + '{"step": 8, "loss": 1}\n{"step": 9, "lo')
    loop.train(tiny(), tmp_path / "run", CPU, quiet)
    assert metrics.read_text() == whole


def test_the_environment_is_written_at_every_start(tiny, quiet, tmp_path) -> None:
    for _ in range(2):
        loop.train(tiny(), tmp_path / "run", CPU, quiet)
    lines = (tmp_path / "run" / "environment.jsonl").read_text().splitlines()
    assert len(lines) == 2 and {"torch", "alphabar", "git_commit", "command"} <= json.loads(lines[0]).keys()


def test_without_a_terminal_there_are_lines_and_with_one_a_bar(tiny, tmp_path) -> None:
    lines, bar = (Console(file=io.StringIO(), force_terminal=terminal, width=120) for terminal in (False, True))
    for name, console in (("lines", lines), ("bar", bar)):
        loop.train(tiny(), tmp_path / name, CPU, console)
    first, *_, last = [line for line in lines.file.getvalue().splitlines() if line.startswith("step ")]
    assert first.startswith("step 1 of 6  ") and "images/s" in first and first.endswith(" left")
    assert last.startswith("step 6 of 6  loss ") and last.endswith("  0 s left")
    assert "step 6 of 6  loss " in bar.file.getvalue() and "left" in bar.file.getvalue()
    assert str(tmp_path / "lines") in lines.file.getvalue().replace("\n", "")


@pytest.mark.heavy
def test_without_a_terminal_there_is_a_line_a_minute(tiny, tmp_path, monkeypatch) -> None:
    console, clock = Console(file=io.StringIO(), width=120), iter(range(0, 10**6, 7))
    monkeypatch.setattr(log.time, "perf_counter", lambda: float(next(clock)))
    loop.train(tiny("training.steps=60", "training.checkpoint_every=60"), tmp_path / "run", CPU, console)
    assert 3 <= console.file.getvalue().count("images/s") <= 60 // 2


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (99, "99 s"), (100, "2 min"), (3570, "1 h 00 min"), (3900, "1 h 05 min"), (836_000, "232 h 13 min")],
)
def test_a_time_is_said_in_hours_and_minutes(seconds, text) -> None:
    assert log.span(seconds) == text


def test_the_loss_curve_is_a_picture_and_needs_no_data(tiny, quiet, tmp_path, full_ends) -> None:
    loop.train(tiny(), tmp_path / "run", CPU, quiet)
    with Image.open(tmp_path / "run" / "loss.png") as png:
        assert png.size > (600, 300)
    plots.loss_curve(tmp_path / "nothing.jsonl", tmp_path / "nothing.png")
    assert not (tmp_path / "nothing.png").exists()
