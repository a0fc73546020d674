"""metrics.jsonl and evaluations.jsonl may hold anything: it stops nothing, and what is dropped is said."""

import io
import json
import math
import os
import shutil
import time
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from alphabar import plots
from alphabar.errors import AlphabarError
from alphabar.figures.steps import _is_complete
from alphabar.files import json_lines
from alphabar.runs import evaluations
from alphabar.training import log, loop
from fuzz import often

CPU = torch.device("cpu")
ROW = b'{"step": 2, "images": 16, "loss": 0.9, "loss_q1": 1.0}'

NOT_ROWS = {
    "not utf-8": b'{"step": 2, "images": 16, "loss": "\xff"}',
    "utf-16": ROW.decode().encode("utf-16"),
    "cut short": b'{"step": 2, "ima',
    "nested 100,000 deep": b"[" * 100_000 + b"]" * 100_000,
    "objects nested 100,000 deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a row nested deep": b'{"step": 1, "images": 8, "loss": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "20 MB on a line": b"x" * 20_000_000,
    "a row of 2 MB": b'{"step": 1, "images": 8, "loss": 1, "why": "' + b"x" * 2_000_000 + b'"}',
    "a number": b"3",
    "a list": b"[2, 16, 0.9]",
    "null": b"null",
    "an object without fields": b"{}",
    "no images": b'{"step": 2, "loss": 0.9}',
    "no loss": b'{"step": 2, "images": 16}',
    "a step in words": b'{"step": "two", "images": 16, "loss": 0.9}',
    "a step that is true": b'{"step": true, "images": 16, "loss": 0.9}',
    "a negative step": b'{"step": -2, "images": 16, "loss": 0.9}',
    "a loss that is a list": b'{"step": 2, "images": 16, "loss": [0.9]}',
    "an evaluation that is a list": b'{"step": 2, "images": 16, "evaluation": [1]}',
    "NaN": b'{"step": 2, "images": 16, "loss": NaN}',
    "Infinity": b'{"step": 2, "images": 16, "loss": -Infinity}',
    "infinity in digits": b'{"step": 2, "images": 16, "loss": 1e999}',
    "5,000 digits": b'{"step": 2, "images": 16, "loss": ' + b"9" * 5000 + b"}",
    "300 digits": b'{"step": 2, "images": ' + b"9" * 300 + b', "loss": 1}',
    "zero bytes": b"\0" * 4096,
    "a terminal's control sequence": b"\x1b[31m",
}


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("trained") / "run"
    assert loop.train(tiny(), path, CPU, Console(file=io.StringIO()))
    return path


@pytest.fixture(scope="module")
def state(tiny) -> loop.TrainState:
    """A state that claims to stand at step 6, as that of `trained`."""
    image_set = loop.build.image_set(tiny().data)
    state = loop.TrainState(tiny(), loop.build.image_facts(image_set), CPU)
    state.step, state.images = 6, 48
    return state


def opened_log(folder: Path, state: loop.TrainState) -> str:
    """What a new session says about the metrics in `folder`."""
    console = Console(file=io.StringIO(), width=500)
    with log.Log(folder, folder / "metrics.jsonl", state, 6, 100, console):
        pass
    return console.file.getvalue()


@pytest.mark.parametrize("name", NOT_ROWS)
def test_a_line_that_is_not_a_row_is_dropped_and_the_others_are_kept(state, tmp_path, name) -> None:
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_bytes(ROW + b"\n" + NOT_ROWS[name] + b"\n" + ROW + b"\n")
    start = time.perf_counter()
    said = opened_log(tmp_path, state)
    assert time.perf_counter() - start < 1
    assert metrics.read_bytes() == ROW + b"\n" + ROW + b"\n"
    assert said.count("\n") == 1 and f"warning: dropped 1 line that is not a row of metrics from {metrics}" in said
    assert opened_log(tmp_path, state) == ""


def test_a_run_whose_metrics_hold_all_of_these_resumes_and_plots(tiny, tmp_path, trained) -> None:
    path, console = tmp_path / "run", Console(file=io.StringIO(), width=500)
    shutil.copytree(trained, path)
    rows = (path / "metrics.jsonl").read_bytes()
    (path / "metrics.jsonl").write_bytes(b"\n".join([*NOT_ROWS.values(), rows + b'{"step": 9, "lo']))
    (path / "environment.jsonl").write_bytes(b"\xff\n{")
    assert loop.train(tiny("training.steps=8"), path, CPU, console)
    assert f"dropped {len(NOT_ROWS) + 1} lines that are not rows of metrics" in console.file.getvalue()
    kept = (path / "metrics.jsonl").read_bytes()
    assert kept.startswith(rows) and json.loads(kept[len(rows) :])["step"] == 8
    assert json.loads((path / "environment.jsonl").read_bytes().splitlines()[-1])["torch"] == torch.__version__


def test_without_a_bad_line_nothing_is_said_or_rewritten(state, trained) -> None:
    before = (trained / "metrics.jsonl").stat()
    assert opened_log(trained, state) == ""
    after = (trained / "metrics.jsonl").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("kind", ["folder", "pipe", "device"])
def test_what_is_no_file_is_one_sentence_and_never_waited_for(state, tmp_path, kind) -> None:
    metrics = tmp_path / "metrics.jsonl"
    {"folder": metrics.mkdir, "pipe": lambda: os.mkfifo(metrics), "device": lambda: metrics.symlink_to("/dev/zero")}[
        kind
    ]()
    with pytest.raises(AlphabarError, match=r"metrics\.jsonl is not a file of JSON lines; move it elsewhere\.$"):
        opened_log(tmp_path, state)
    with pytest.raises(AlphabarError, match=r"metrics\.jsonl is not a file of JSON lines; move it elsewhere\.$"):
        json_lines.append(metrics, {"step": 1})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_written_as_null(tmp_path, value) -> None:
    path = tmp_path / "rows.jsonl"
    json_lines.append(path, {"loss": value, "evaluation": {"fd": value, "of": [value, 1.5]}})
    assert json.loads(path.read_text(), parse_constant=pytest.fail) == {
        "loss": None,
        "evaluation": {"fd": None, "of": [None, 1.5]},
    }


@pytest.mark.parametrize("before", [b"", b'{"a": 1}\n', b'{"a": 1}', b'{"a": ', b"\xff"])
def test_a_row_is_added_on_a_line_of_its_own(tmp_path, before) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(before)
    json_lines.append(path, {"b": 2})
    assert path.read_bytes().startswith(before) and json_lines.rows(path)[-1] == {"b": 2}


def test_curves_pass_over_what_cannot_be_plotted(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("alphabar.plots.training.MOST", 2)
    rows = [
        *({"step": 1, "images": images, "loss": 1.0} for images in ("8", None, [], {}, True, 2**62)),
        *({"images": 8, "loss": loss, "loss_q1": loss} for loss in ("1", [], {}, False, -1, 0, 1e300, 5e-324)),
        {"evaluation": {"fd": 1.0}},
        {"images": 8, "evaluation": {"fd": "1", "images": 3}},
        {"images": 8, "evaluation": {"$\\frac$": 1.0, "\ud800": 1.0, "\x1b[31m": 1.0, "": 1.0, "x" * 5000: 1.0}},
        {"images": 8, "evaluation": {f"metric {k}": 1e300 if k % 2 else 1e30 for k in range(3000)}},
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    plots.loss_curve(tmp_path / "metrics.jsonl", tmp_path / "loss.png")
    plots.scores(tmp_path / "metrics.jsonl", tmp_path / "scores.png")
    assert (tmp_path / "loss.png").exists() and (tmp_path / "scores.png").exists()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(max_size=5), parts, max_size=3),
    max_leaves=5,
)
fields = st.sampled_from(["step", "images", "loss", "loss_q1", "loss_q4", "evaluation", "evaluated", "seconds"])
plausible = st.fixed_dictionaries(
    {},
    optional={
        "step": st.integers(0, 9),
        "images": st.integers(0, 99),
        "loss": st.none() | st.floats(),
        "loss_q1": st.floats(),
        "evaluation": st.dictionaries(st.sampled_from(["fd", "kid", "$x", "images"]), json_values, max_size=3),
    },
)
line = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(sorted(NOT_ROWS.values(), key=len)[:-3]),
    st.dictionaries(fields, json_values, max_size=5).map(lambda row: json.dumps(row).encode()),
    plausible.map(lambda row: json.dumps(row).encode()),
    st.tuples(plausible, st.integers(0, 40)).map(lambda cut: json.dumps(cut[0]).encode()[: cut[1]]),
)
contents = st.lists(line, max_size=8).map(b"\n".join)


def check(content: bytes, folder: Path, state: loop.TrainState, with_plots: bool) -> None:
    """A session starts with these metrics, keeps its rows in order, and plots; nothing hangs.

    Reading takes less than a second. matplotlib needs half a second for two figures, and more on busy cores.
    """
    metrics = folder / "metrics.jsonl"
    metrics.write_bytes(content)
    start = time.process_time()
    opened_log(folder, state)
    loop.scoring.is_missing(loop.Run(folder), state.config, 6, True)
    kept = metrics.read_bytes()
    evaluations.read(folder)
    assert time.process_time() - start < 1
    if with_plots:
        plots.loss_curve(metrics, folder / "loss.png")
        plots.scores(metrics, folder / "scores.png")
        assert time.process_time() - start < 5
    assert all(json.loads(row)["step"] <= 6 for row in kept.splitlines())
    assert opened_log(folder, state) == "" and metrics.read_bytes() == kept


QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=QUIET, database=None)
@given(contents)
def test_any_content_of_the_metrics_is_survived(state, tmp_path, content) -> None:
    check(content, tmp_path, state, with_plots=False)


@pytest.mark.heavy
@settings(max_examples=often(500), deadline=None, suppress_health_check=QUIET, database=None)
@given(contents)
def test_hundreds_of_contents_of_the_metrics_are_survived(state, tmp_path, content) -> None:
    check(content, tmp_path, state, with_plots=False)


@pytest.mark.heavy
@settings(max_examples=often(25), deadline=None, suppress_health_check=QUIET, database=None)
@given(contents)
def test_any_content_of_the_metrics_is_plotted(state, tmp_path, content) -> None:
    check(content, tmp_path, state, with_plots=True)


SCORED = {
    "images": {"step": 6, "steps": 3},
    "metrics": {"fd": {"value": 1.0, "standard_error": 0.1, "floor": {"halves": {"value": 0.5, "n_fake": 9}}}},
    "n_fake": 9,
}


@pytest.mark.parametrize(
    "change",
    [
        {"metrics": []},
        {"metrics": {"fd": None}},
        {"metrics": {"fd": {"value": "low"}}},
        {"metrics": {"fd": SCORED["metrics"]["fd"] | {"floor": {"halves": 3}}}},
        {"images": {"step": 6}},
        {"n_fake": "9"},
    ],
    ids=range(6),
)
def test_an_evaluation_without_what_the_figure_shows_is_measured_again(change) -> None:
    assert _is_complete(SCORED, "fd")
    assert not _is_complete(SCORED | change, "fd")
