"""The Runs and Likelihood tabs show what a run has written, and write nothing into it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from alphabar.app.likelihood import Likelihood
from alphabar.app.offered import Models, offered
from alphabar.app.watch import NO_RUN, Watch
from alphabar.errors import AlphabarError
from alphabar.runs import bundled


@pytest.fixture
def copy(run, tmp_path) -> Path:
    shutil.copytree(run, tmp_path / "copy")
    return tmp_path / "copy"


@pytest.fixture
def does(copy, shelf) -> Watch:
    return Watch(Models(offered([copy]), "cpu"), shelf)


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_is_shown_with_its_last_row_and_all_its_previews(does, copy) -> None:
    before = files(copy)
    shown = does.shown("copy")
    assert shown.status.startswith("step 12, loss ") and "images/s" in shown.status
    assert shown.previews == [4, 8, 12] and shown.scores is None
    assert Image.open(str(shown.loss)).format == "PNG"
    picture, text = does.preview("copy", 1)
    assert picture is not None and text == "Preview at step 8"
    assert does.preview("copy", 3) == (None, "") and does.preview("copy", -1) == (None, "")
    assert files(copy) == before


def test_the_stamp_changes_when_the_run_has_written_something(does, copy) -> None:
    first = does.stamp("copy")
    assert does.stamp("copy") == first
    with (copy / "metrics.jsonl").open("a") as file:
        file.write('{"step": 14, "images": 112, "loss": 0.5, "images_per_second": 1000.4, "seconds": 9}\n')
    assert does.stamp("copy") != first
    assert does.shown("copy").status == "step 14, loss 0.5000, 1,000 images/s, trained for 9 s"


def test_a_run_without_records_says_so(does, copy) -> None:
    for name in ("metrics.jsonl", "evaluations.jsonl"):
        (copy / name).unlink()
    shutil.rmtree(copy / "samples")
    shown = does.shown("copy")
    assert shown.status == "This run has no record of its training."
    assert (shown.loss, shown.scores, shown.previews, shown.table) == (None, None, [], [])
    assert "alphabar evaluate" in shown.about
    assert does.shown(NO_RUN).status == ""
    for name in bundled.names():
        assert does.shown(name).loss is None


METRIC = {
    "value": 2.5, "interval": [2.0, 3.0], "floor": {"halves": {"value": 1.0, "n_fake": 20}},
}  # fmt: skip
ROW: dict[str, Any] = {
    "metrics": {"FD-x": METRIC}, "n_fake": 20, "images": {"step": 12, "nfe": 5}, "extractor": {"name": "x"},
}  # fmt: skip


@pytest.mark.parametrize("later", ["", '{"metrics": 3}\n', '{"metrics": {"a": {}}}\n', '{"metr'])
def test_the_newest_evaluation_that_can_be_read_is_a_table_with_intervals(later, does, copy) -> None:
    (copy / "evaluations.jsonl").write_text(json.dumps(ROW) + "\n" + later)
    shown = does.shown("copy")
    assert shown.table == [["FD", "2.500", "2.000…3.000", "1.000", "–"]]
    assert shown.about == "20 images, step 12, 5 network calls per image; x features"


def test_damaged_previews_and_metrics_stop_nobody(does, copy) -> None:
    (copy / "samples" / "step-00000008.png").write_bytes(b"x")
    (copy / "metrics.jsonl").write_bytes(b'\xff\n[]\n{"step": 3, "images_per_second": "fast"}\n')
    assert does.preview("copy", 1) == (None, "Preview at step 8")
    assert does.shown("copy").status in ("step 3", "This run has no record of its training.")


@pytest.mark.heavy
def test_bits_that_were_measured_are_shown_beside_those_of_another_run(copy, run, shelf, tmp_path) -> None:
    does = Likelihood(Models(offered([copy, run]), "cpu"), shelf)
    for other in (NO_RUN, "copy", "digits"):
        bits = does.stored("copy", other)
        assert [line[0] for line in bits.table] == ["total", "prior", "rate", "distortion"]
        assert "bytes per image" in bits.about and "3 train images" in bits.about
        assert Image.open(str(bits.terms)).format == Image.open(str(bits.rate_distortion)).format == "PNG"
    assert "alphabar evaluate emoji --bpd" in does.stored("emoji", NO_RUN).about


@pytest.mark.heavy
def test_measuring_here_writes_nothing_into_the_run(copy, shelf) -> None:
    does, before = Likelihood(Models(offered([copy]), "cpu"), shelf), files(copy)
    *_, (text, bits) = does.measure("copy", 2, "train", "5")
    assert bits is not None and "2 train images" in bits.about and "network calls" in text
    assert files(copy) == before
    for count, split, steps, said in (
        (65, "train", "5", "2 to 64"),
        (2, "test", "5", "split"),
        (2, "train", "99", "99"),
    ):
        with pytest.raises(AlphabarError, match=said):
            list(does.measure("copy", count, split, steps))
