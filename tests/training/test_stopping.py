"""A run ends when the loss of held-out images has not fallen for some evaluations, and keeps the best checkpoint."""

import io
from pathlib import Path

import pytest
import torch
from rich.console import Console
from test_resume import CPU
from test_scoring import scored

from alphabar import build
from alphabar.errors import AlphabarError
from alphabar.runs import run
from alphabar.runs.model import load_model
from alphabar.training import loop, scoring, stopping
from alphabar.training.state import TrainState
from alphabar.training.stopping import NAME, HeldOutLoss
from digits_folder import digits_folder
from exact import die_at_call, everything
from processes import killed

pytestmark = pytest.mark.usefixtures("module_cache")


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> tuple[str, ...]:
    """40 digits to train on, 20 that are held out; an evaluation every second step of 20."""
    return (
        "data.name=folder", f"data.path={digits_folder(tmp_path_factory.mktemp('data'))}", "data.channels=1",
        "evaluation.every=2", "evaluation.count=4", "evaluation.features=fashion-cnn", "training.steps=20",
        "evaluation.stop_when=held_out_loss", "evaluation.patience=2", "training.keep_checkpoints=1",
    )  # fmt: skip


@pytest.fixture
def planned_losses(monkeypatch) -> None:
    """Held-out losses by evaluation: the lowest is that of step 6."""
    values = iter([9.0, 5.0, 2.0, 3.0, 2.0, 1.0])
    monkeypatch.setattr(HeldOutLoss, "value", lambda self, network, device: next(values))


def test_a_run_ends_when_the_loss_has_not_fallen_and_keeps_the_best(tiny, settings, tmp_path, planned_losses) -> None:
    path, out = tmp_path / "run", io.StringIO()
    assert loop.train(tiny(*settings), path, CPU, Console(file=out, width=300))
    assert [values[NAME] for values in scored(path).values()] == [9, 5, 2, 3, 2]
    best = run.read_best(run.Run(path))
    assert best is not None and (best.step, best.metric, best.value) == (6, NAME, 2)
    assert load_model(path, step="best").step == 6 and load_model(path).step == 10
    assert (
        "stopped at step 10" in out.getvalue()
        and "the lowest was 2, at step 6, whose checkpoint is kept" in out.getvalue()
    )
    assert (path / "samples" / "step-00000010.png").exists()


@pytest.mark.heavy
def test_an_ended_run_stays_ended_until_it_is_given_more_patience(
    tiny, settings, quiet, tmp_path, planned_losses
) -> None:
    path = tmp_path / "run"
    loop.train(tiny(*settings), path, CPU, quiet)
    assert loop.train(tiny(*settings), path, CPU, quiet) and load_model(path).step == 10
    assert loop.train(tiny(*settings, "evaluation.patience=3", "training.steps=12"), path, CPU, quiet)
    best = run.read_best(run.Run(path))
    assert load_model(path).step == 12 and best is not None and best.step == 12


def test_the_named_best_comes_first(tiny, settings, tmp_path, planned_losses) -> None:
    out = io.StringIO()
    loop.train(tiny(*settings, "evaluation.best=fd"), tmp_path / "run", CPU, Console(file=out, width=300))
    best = run.read_best(run.Run(tmp_path / "run"))
    assert best is not None and best.metric == "FD-fashion-cnn"
    assert "stopped at step 10" in out.getvalue() and "whose checkpoint" not in out.getvalue()


def test_without_it_no_loss_is_measured(tiny, settings, quiet, tmp_path) -> None:
    loop.train(tiny(*settings, "evaluation.stop_when=none", "training.steps=2"), tmp_path / "run", CPU, quiet)
    assert NAME not in scored(tmp_path / "run")[2]


@pytest.mark.heavy
@pytest.mark.parametrize(("module", "name", "call"), [(loop, "preview", 1), (scoring, "write_best", 2)])
def test_a_kill_does_not_change_where_it_ends(tiny, settings, quiet, tmp_path, monkeypatch, module, name, call) -> None:
    """Losses that depend on the weights alone, and go up and down."""
    monkeypatch.setattr(
        HeldOutLoss, "value", lambda self, network, device: next(network.parameters()).std().item() % 1e-3
    )
    config = tiny(*settings, "evaluation.patience=1")
    loop.train(config, tmp_path / "whole", CPU, quiet)

    def train() -> None:
        with monkeypatch.context() as patch:
            die_at_call(patch, module, name, call)
            loop.train(config, tmp_path / "run", CPU, quiet)

    assert killed(train)
    loop.train(config, tmp_path / "run", CPU, quiet)
    assert everything(tmp_path / "run") == everything(tmp_path / "whole")


@pytest.mark.parametrize("classes", [(), ("network.class_conditional=true",)], ids=["plain", "classes"])
def test_the_loss_is_the_same_for_the_same_weights_and_does_not_disturb_the_training(tiny, settings, classes) -> None:
    config = tiny(*settings, *classes, "data.augment=0.5")
    train = build.image_set(config.data)
    judge, state = HeldOutLoss.of(config, train), TrainState(config, build.image_facts(train), CPU)
    assert judge is not None and len(judge.t) == 520 and sorted(judge.t.tolist()) == judge.t.sort().values.tolist()
    before = torch.random.get_rng_state()
    first, again = (judge.value(state.network.eval(), CPU) for _ in range(2))
    assert first == again == pytest.approx(1, abs=0.1)  # a fresh network outputs 0, and the noise has variance 1
    assert torch.equal(before, torch.random.get_rng_state())


def test_many_held_out_images_are_taken_from_all_classes(tiny, settings, monkeypatch) -> None:
    monkeypatch.setattr("alphabar.training.stopping.MOST", 10)
    config = tiny(*settings, "network.class_conditional=true")
    judge = HeldOutLoss.of(config, build.image_set(config.data))
    assert judge is not None and judge.labels is not None and len(judge.t) == 10
    everyone = stopping.held_out.images(config, build.image_set(config.data))
    assert len(everyone) > 10 and len(judge.labels.unique()) >= min(len(everyone.labels.unique()), 5)


def test_it_is_refused_without_held_out_images_or_evaluations(tiny, settings, tmp_path, quiet) -> None:
    with pytest.raises(AlphabarError, match=r"needs evaluations to stop by: set evaluation\.every"):
        tiny("evaluation.stop_when=held_out_loss")
    path = next(text for text in settings if text.startswith("data.path"))
    with pytest.raises(AlphabarError, match="needs held-out images"):
        loop.train(tiny(*settings, f"{path}/train"), tmp_path / "run", CPU, quiet)
    assert not Path(tmp_path / "run").exists()
