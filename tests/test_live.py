"""`alphabar.live` shows a training from its directory alone."""

import json
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import alphabar
from alphabar.api import live as module
from alphabar.api.live import View
from alphabar.errors import AlphabarError
from alphabar.runs.lock import locked
from alphabar.training import loop
from alphabar.training.progress import progress

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run that has ended."""
    import io

    from rich.console import Console

    from alphabar import config as c
    from tiny_settings import TINY

    path = tmp_path_factory.mktemp("live") / "run"
    loop.train(c.load("ddpm_digits", TINY), path, CPU, Console(file=io.StringIO()))
    return path


def test_a_run_that_nobody_trains_is_shown_once(run, capsys) -> None:
    alphabar.live(run)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{run}: step 6 of 6  loss ") and line.endswith("no process trains now")
    assert "by quarter of t" in line and " images/s" in line


def test_it_follows_another_process_until_that_ends_and_prints_news_only(run, capsys, monkeypatch) -> None:
    rows = (run / "metrics.jsonl").read_text().splitlines()
    ends, seen = threading.Event(), []
    started = threading.Event()

    def training() -> None:
        with locked(run):
            (run / "metrics.jsonl").write_text(rows[0] + "\n")
            started.set()
            ends.wait(20)

    def wait(seconds: float) -> None:
        seen.append(seconds)
        if len(seen) == 2:
            (run / "metrics.jsonl").write_text("\n".join(rows) + "\n")
        if len(seen) == 3:
            ends.set()
            thread.join()

    thread = threading.Thread(target=training)
    thread.start()
    started.wait(20)
    monkeypatch.setattr(module.time, "sleep", wait)
    alphabar.live(run, every=0.5)
    lines = [line.partition(": ")[2] for line in capsys.readouterr().out.splitlines()]
    assert [line[:11] for line in lines] == ["step 2 of 6", "step 6 of 6", "step 6 of 6"] and seen == [0.5] * 3
    assert " left" in lines[0] and "no process trains now" in lines[2]


def test_an_interrupt_ends_the_looking_and_raises_nothing(run, monkeypatch) -> None:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module.time, "sleep", interrupted)
    with locked(run):
        alphabar.live(run)


def test_a_notebook_gets_one_display_that_is_updated(run, monkeypatch) -> None:
    shown, updated = [], []
    handle = SimpleNamespace(update=updated.append)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=1)))
    monkeypatch.setitem(
        sys.modules, "IPython.display",
        SimpleNamespace(display=lambda view, display_id: shown.append(view) or handle),
    )  # fmt: skip
    answers = iter([True, False])
    monkeypatch.setattr("alphabar.training.progress._is_training", lambda path: next(answers))
    monkeypatch.setattr(module.time, "sleep", lambda seconds: None)
    alphabar.live(run)
    assert len(shown) == len(updated) == 1 and "no process trains" in repr(updated[0])


def test_a_view_holds_the_line_the_curve_and_the_preview(run) -> None:
    html = View(progress(run))._repr_html_()
    assert "step 6 of 6" in html and html.count("<img ") == 2
    assert alphabar.TrainedRun(run, True)._repr_html_() == html


def test_before_the_first_row_there_is_a_line_and_no_picture(run, tmp_path) -> None:
    (tmp_path / "config.json").write_text((run / "config.json").read_text())
    view = View(progress(tmp_path))
    assert "no metrics, and no process trains" in repr(view) and "<img" not in view._repr_html_()


def test_names_are_shown_as_text_and_not_as_markup(run, tmp_path) -> None:
    folder = tmp_path / "<b>x"
    folder.mkdir()
    (folder / "config.json").write_text((run / "config.json").read_text())
    assert "&lt;b&gt;x" in View(progress(folder))._repr_html_()


def test_the_time_left_is_that_of_the_steps_or_of_the_minutes(run, tmp_path) -> None:
    settings = json.loads((run / "config.json").read_text())
    row = {"step": 10, "images": 80, "epoch": 0.5, "loss": 0.1, "images_per_second": 16.0, "seconds": 30.0}
    (tmp_path / "metrics.jsonl").write_text(json.dumps(row) + "\n")
    for changes, left in (
        ({"steps": 50}, 20.0),  # 40 steps of 8 images
        ({"steps": None, "minutes": 2.0}, 90.0),
        ({"steps": None, "epochs": 1.0}, 5.0),  # 160 images, 80 of them seen
    ):
        settings["training"] |= {"steps": None, "minutes": None, "epochs": None} | changes
        (tmp_path / "config.json").write_text(json.dumps(settings))
        assert progress(tmp_path).seconds_left == pytest.approx(left)


@pytest.mark.parametrize("every", [0, -1, "5", True, float("nan"), 1e9])
def test_a_refresh_that_makes_no_sense_is_refused(run, every) -> None:
    with pytest.raises(AlphabarError, match="every is the number of seconds"):
        alphabar.live(run, every=every)


def test_what_is_no_run_is_said(tmp_path) -> None:
    with pytest.raises(AlphabarError, match="There is no run at"):
        alphabar.live(tmp_path / "nothing")
    with pytest.raises(AlphabarError, match="There is no run at"):
        alphabar.live(tmp_path)
