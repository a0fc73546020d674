"""Metrics while training: of the EMA weights, in metrics.jsonl, and the best checkpoint is kept."""

import json
import shutil
import signal
from pathlib import Path

import pytest
import torch
from rich.console import Console
from test_resume import CPU

from alphabar import build
from alphabar.errors import AlphabarError
from alphabar.evaluation import Scorer
from alphabar.runs import checkpoint, run
from alphabar.runs.model import load_model
from alphabar.training import loop, scoring
from exact import SCORED, die_at_call, everything
from processes import killed

pytestmark = pytest.mark.usefixtures("module_cache")


def scored(path: Path) -> dict[int, dict[str, float]]:
    rows = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    return {row["step"]: row["evaluation"] for row in rows if "evaluation" in row}


@pytest.fixture
def planned_values(monkeypatch) -> None:
    """Distances by step: the best is that of step 4."""
    values = iter([5.0, 1.0, 3.0, 2.0])
    monkeypatch.setattr(Scorer, "score", lambda self, drawn, step: {"FD-fashion-cnn": next(values)})


@pytest.mark.heavy
def test_each_evaluation_is_a_line_with_the_scores_of_the_ema_weights(
    tiny, quiet, tmp_path, monkeypatch, full_ends
) -> None:
    drawn = []
    score = Scorer.score
    monkeypatch.setattr(Scorer, "score", lambda self, x, step: drawn.append(x) or score(self, x, step))
    loop.train(tiny(*SCORED), tmp_path / "run", CPU, quiet)
    found = scored(tmp_path / "run")
    assert list(found) == [2, 4, 6, 8]
    assert set(found[8]) == {"FD-fashion-cnn", "precision-fashion-cnn", "recall-fashion-cnn"}
    assert len(torch.stack(drawn).flatten(1).unique(dim=0)) == 4 and drawn[0].shape == (12, 1, 8, 8)

    config = tiny(*SCORED)
    state = loop.TrainState(config, load_model(tmp_path / "run").facts, CPU)
    state.restore(checkpoint.latest(tmp_path / "run" / "checkpoints"))
    for parameter in state.network.parameters():
        parameter.data.fill_(torch.nan)  # the raw weights are not looked at
    pipeline = loop.preview_pipeline(state, tmp_path / "run", build.image_set(config.data))
    again = scoring.sample(pipeline, 12, loop.Interrupt(print), "")
    assert torch.equal(again, drawn[-1])
    assert (tmp_path / "run" / "scores.png").stat().st_size > 10_000


def test_the_best_checkpoint_outlives_the_newest(tiny, quiet, tmp_path, planned_values) -> None:
    path = tmp_path / "run"
    loop.train(tiny(*SCORED), path, CPU, quiet)
    assert [p.name for p in checkpoint.steps(path / "checkpoints")] == ["step-00000004", "step-00000008"]
    best = run.read_best(run.Run(path))
    assert (best.step, best.metric, best.value, best.how["count"]) == (4, "FD-fashion-cnn", 1.0, 12)
    assert load_model(path, step="best").step == 4 and load_model(path).step == 8
    shutil.rmtree(path / "checkpoints" / "step-00000004")
    assert run.read_best(run.Run(path)) is None
    with pytest.raises(AlphabarError, match="no checkpoint of step best; there are: 8"):
        load_model(path, step="best")


@pytest.mark.heavy
def test_values_that_were_measured_otherwise_are_no_rivals(tiny, quiet, tmp_path, monkeypatch) -> None:
    values = iter([1.0, 1.5, 9.0, 8.0])
    monkeypatch.setattr(Scorer, "score", lambda self, drawn, step: {"FD-fashion-cnn": next(values)})
    loop.train(tiny(*SCORED, "training.steps=4"), tmp_path / "run", CPU, quiet)
    assert run.read_best(run.Run(tmp_path / "run")).step == 2
    loop.train(tiny(*SCORED, "evaluation.count=10"), tmp_path / "run", CPU, quiet)
    assert run.read_best(run.Run(tmp_path / "run")).step == 8


def test_a_last_checkpoint_that_is_the_best_is_the_only_one(tiny, quiet, tmp_path, monkeypatch) -> None:
    values = iter([4.0, 3.0, 2.0, 1.0])
    monkeypatch.setattr(Scorer, "score", lambda self, drawn, step: {"FD-fashion-cnn": next(values)})
    loop.train(tiny(*SCORED), tmp_path / "run", CPU, quiet)
    assert [p.name for p in checkpoint.steps(tmp_path / "run" / "checkpoints")] == ["step-00000008"]


def test_more_can_be_better(tiny, quiet, tmp_path, monkeypatch) -> None:
    values = iter([0.1, 0.4, 0.4, 0.2])
    monkeypatch.setattr(Scorer, "score", lambda self, drawn, step: {"recall-fashion-cnn": next(values)})
    loop.train(tiny(*SCORED, "evaluation.best=recall"), tmp_path / "run", CPU, quiet)
    assert run.read_best(run.Run(tmp_path / "run")).step == 4  # the first of two that are equally good


@pytest.mark.heavy
def test_evaluating_does_not_change_what_is_learnt(tiny, quiet, tmp_path) -> None:
    loop.train(tiny("training.steps=8"), tmp_path / "plain", CPU, quiet)
    loop.train(tiny(*SCORED), tmp_path / "scored", CPU, quiet)
    one, two = (checkpoint.latest(tmp_path / name / "checkpoints") for name in ("plain", "scored"))
    for name in one.names():
        for key, tensor in one.tensors(name).items():
            assert torch.equal(tensor, two.tensors(name)[key])


@pytest.fixture(scope="module")
def whole(module_cache, tiny, tmp_path_factory) -> Path:
    """A run that nothing interrupted."""
    path = tmp_path_factory.mktemp("whole") / "run"
    loop.train(tiny(*SCORED, "evaluation.best=recall"), path, CPU, Console(quiet=True))
    return path


KILLS = [
    pytest.param(module, name, call, marks=() if call == 2 else pytest.mark.heavy)
    for module, name in [(scoring, "sample"), (scoring, "write_best"), (checkpoint, "save")]
    for call in (1, 2, 4)
    if (name, call) != ("write_best", 4)  # recall does not rise four times
]


@pytest.mark.heavy
@pytest.mark.parametrize(("module", "name", "call"), KILLS)
def test_a_kill_in_an_evaluation_loses_none(tiny, quiet, tmp_path, monkeypatch, whole, module, name, call) -> None:
    config = tiny(*SCORED, "evaluation.best=recall")

    def train() -> None:
        with monkeypatch.context() as patch:
            die_at_call(patch, module, name, call)
            loop.train(config, tmp_path / "run", CPU, quiet)

    killed(train)
    loop.train(config, tmp_path / "run", CPU, quiet)
    assert scored(tmp_path / "run") == scored(whole)
    assert everything(tmp_path / "run") == everything(whole)
    assert (tmp_path / "run" / "best.json").read_text() == (whole / "best.json").read_text()


@pytest.mark.heavy
def test_a_run_that_is_left_in_an_evaluation_does_it_when_it_comes_back(tiny, quiet, tmp_path, monkeypatch) -> None:
    config = tiny(*SCORED)
    with monkeypatch.context() as patch:
        sample, evaluations = scoring.sample, []

        def leave(pipeline, job, interrupt, label):
            evaluations.append(label)
            if evaluations.count("sampling to evaluate") == 2:
                signal.raise_signal(signal.SIGHUP)
            return sample(pipeline, job, interrupt, label)

        patch.setattr(scoring, "sample", leave)
        assert not loop.train(config, tmp_path / "run", CPU, quiet)
    assert list(scored(tmp_path / "run")) == [2]
    assert loop.train(config, tmp_path / "run", CPU, quiet)
    assert list(scored(tmp_path / "run")) == [2, 4, 6, 8]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("evaluation.best=kid", "evaluation.metrics"),
        ("evaluation.count=3", "'pr' cannot be measured here: it needs at least 4"),
        ("evaluation.every=0", "evaluation.every"),
        ("evaluation.features=inception", "alphabar data fetch inception"),
        ("evaluation.extractor_weights=nowhere", "nowhere"),
    ],
)
def test_what_cannot_be_measured_is_said_before_training(tiny, quiet, tmp_path, setting: str, words: str) -> None:
    with pytest.raises(AlphabarError, match=words):
        loop.train(tiny(*SCORED, setting), tmp_path / "run", CPU, quiet)
    assert not (tmp_path / "run").exists()
