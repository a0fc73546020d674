"""A run that was killed and started again ends, bit for bit, where an uninterrupted one does."""

import contextlib
import io
import os
import shutil
import signal
import threading
import types
from collections.abc import Callable

import pytest
import torch
from rich.console import Console

from alphabar import build
from alphabar.config import Config
from alphabar.errors import AlphabarError
from alphabar.runs import checkpoint, run
from alphabar.runs.model import load_model
from alphabar.sampling.pipeline import Pipeline
from alphabar.training import greeting, loop
from alphabar.training.optimizers import OPTIMIZERS
from exact import EVERYTHING, die_at_call, everything
from processes import killed

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Config], dict[str, object]]:
    results: dict[str, dict[str, object]] = {}

    def of(config: Config) -> dict[str, object]:
        key = config.model_dump_json()
        if key not in results:
            path = tmp_path_factory.mktemp("whole") / "run"
            assert loop.train(config, path, CPU, Console(quiet=True))
            results[key] = everything(path)
        return results[key]

    return of


@pytest.mark.parametrize(
    ("module", "name", "call"),
    [
        (loop, "train_step", 3),
        (loop, "train_step", 6),
        (loop, "train_step", 9),
        (checkpoint, "_sync", 2),
        (checkpoint, "_sync", 17),
        (checkpoint, "_discard", 1),
        (loop, "preview", 2),
    ],
    ids=lambda value: value if isinstance(value, str | int) else value.__name__.split(".")[-1],
)
def test_kill_and_resume_is_exact(tiny, quiet, tmp_path, monkeypatch, uninterrupted, module, name, call) -> None:
    config = tiny(*EVERYTHING)
    with monkeypatch.context() as patch:
        die_at_call(patch, module, name, call)
        assert killed(lambda: loop.train(config, tmp_path / "run", CPU, quiet))
    assert loop.train(config, tmp_path / "run", CPU, quiet)
    assert everything(tmp_path / "run") == uninterrupted(config)


IMPORTANCE = (
    "diffusion.objective=vlb",
    "diffusion.variance=learned_range",
    "diffusion.timestep_sampler=loss_second_moment",
    "diffusion.steps=5",
    "training.batch_size=40",
    "training.steps=9",
)


@pytest.mark.heavy
@pytest.mark.parametrize("call", [4, 6, 8])
def test_resume_is_exact_with_an_importance_sampler(tiny, quiet, tmp_path, monkeypatch, uninterrupted, call) -> None:
    """Before and after it has the ten losses of each t that it starts from."""
    config = tiny(*IMPORTANCE)
    with monkeypatch.context() as patch:
        die_at_call(patch, loop, "train_step", call)
        assert killed(lambda: loop.train(config, tmp_path / "run", CPU, quiet))
    assert loop.train(config, tmp_path / "run", CPU, quiet)
    whole = uninterrupted(config)
    assert everything(tmp_path / "run") == whole
    found = checkpoint.latest(tmp_path / "run" / "checkpoints")
    assert found is not None and (found.tensors("timestep_sampler")["count"][1:] == 10).all()
    assert all(row["vlb"] > 0 for row in whole["metrics"])


BY_OPTIMIZER = [(f"optimizer.name={name}", "optimizer.weight_decay=0.01") for name in OPTIMIZERS]
BY_PRECISION = [pytest.param((f"training.precision={name}",), marks=pytest.mark.heavy) for name in ("bf16", "fp16")]


@pytest.mark.parametrize("settings", [*BY_OPTIMIZER, *BY_PRECISION])
def test_resume_is_exact_with_every_optimizer_and_in_half_precision(
    tiny, quiet, tmp_path, monkeypatch, uninterrupted, settings
) -> None:
    config = tiny(*settings)
    with monkeypatch.context() as patch:
        die_at_call(patch, loop, "train_step", 4)
        assert killed(lambda: loop.train(config, tmp_path / "run", CPU, quiet))
    assert loop.train(config, tmp_path / "run", CPU, quiet)
    assert everything(tmp_path / "run") == uninterrupted(config)


@pytest.mark.heavy
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_polite_signal_saves_and_the_run_goes_on_from_there(
    tiny, quiet, tmp_path, monkeypatch, uninterrupted, number
) -> None:
    config, real = tiny(), loop.train_step

    def interrupted(update, state, batch) -> torch.Tensor:
        if state.step == 2:
            os.kill(os.getpid(), number)
        return real(update, state, batch)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "train_step", interrupted)
        assert not loop.train(config, tmp_path / "run", CPU, quiet)
    found = checkpoint.latest(tmp_path / "run" / "checkpoints")
    assert found is not None and found.state["step"] == 3
    assert loop.train(config, tmp_path / "run", CPU, quiet)
    whole, resumed = uninterrupted(config), everything(tmp_path / "run")
    assert {k: v for k, v in resumed.items() if k != "checkpoints"} == {
        k: v for k, v in whole.items() if k != "checkpoints"
    }


@pytest.mark.parametrize("moment", ["write", "tick", "restart_clock"])
def test_a_signal_at_any_moment_between_two_steps_loses_no_step(
    tiny, quiet, tmp_path, monkeypatch, uninterrupted, moment: str
) -> None:
    """While the log is written, or the host waits for the loss: the step before is saved all the same."""
    config = tiny("training.checkpoint_every=100", "training.log_every=1")
    real, calls = getattr(loop.Log, moment), []

    def interrupted(log, state, *args, **more) -> None:
        calls.append(state.step)
        if len(calls) == (4 if moment == "restart_clock" else 3):
            os.kill(os.getpid(), signal.SIGINT)
        real(log, state, *args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(loop.Log, moment, interrupted)
        assert not loop.train(config, tmp_path / "run", CPU, quiet)
    found = checkpoint.latest(tmp_path / "run" / "checkpoints")
    assert found is not None and found.state["step"] == calls[-1]
    assert loop.train(config, tmp_path / "run", CPU, quiet)


def test_a_finished_run_that_is_started_again_changes_nothing(tiny, quiet, tmp_path, uninterrupted) -> None:
    for _ in range(2):
        assert loop.train(tiny(), tmp_path / "run", CPU, quiet)
    assert everything(tmp_path / "run") == uninterrupted(tiny())


def test_more_steps_may_be_asked_of_a_finished_run(tiny, quiet, tmp_path) -> None:
    loop.train(tiny("optimizer.decay=constant"), tmp_path / "run", CPU, quiet)
    loop.train(tiny("optimizer.decay=constant", "training.steps=8"), tmp_path / "run", CPU, quiet)
    assert load_model(tmp_path / "run").step == 8


@pytest.mark.parametrize(
    "change", ["diffusion.schedule=linear", "network.channels=16", "training.batch_size=4", "training.seed=1"]
)
def test_other_settings_are_refused_by_name(tiny, quiet, tmp_path, change) -> None:
    loop.train(tiny("diffusion.steps=30"), tmp_path / "run", CPU, quiet)
    with pytest.raises(AlphabarError, match=rf"other settings \({change.split('=')[0]}: .* -> .*\)"):
        loop.train(tiny("diffusion.steps=30", change), tmp_path / "run", CPU, quiet)


def test_other_images_are_refused(tiny, quiet, tmp_path, monkeypatch) -> None:
    loop.train(tiny(), tmp_path / "run", CPU, quiet)
    real = loop.build.image_facts
    monkeypatch.setattr(loop.build, "image_facts", lambda s: real(s).model_copy(update={"fingerprint": "0" * 64}))
    with pytest.raises(AlphabarError, match="was trained on other images"):
        loop.train(tiny(), tmp_path / "run", CPU, quiet)


def test_two_processes_never_share_a_run(tiny, quiet, tmp_path) -> None:
    loop.train(tiny(), tmp_path / "run", CPU, quiet)
    facts = load_model(tmp_path / "run").facts
    with (
        run.opened(tmp_path / "run", tiny(), facts, print),
        pytest.raises(AlphabarError, match=r"Another process .* is training in"),
    ):
        loop.train(tiny(), tmp_path / "run", CPU, quiet)


def test_a_folder_of_other_things_is_not_taken_for_a_run(tiny, quiet, tmp_path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(AlphabarError, match="holds other files than those of a run"):
        loop.train(tiny(), tmp_path, CPU, quiet)
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


def test_a_kill_before_the_first_checkpoint_leaves_a_directory_that_can_be_trained_in(
    tiny, quiet, tmp_path, monkeypatch, uninterrupted
) -> None:
    with monkeypatch.context() as patch:
        die_at_call(patch, checkpoint, "newest_good", 1)
        assert killed(lambda: loop.train(tiny(), tmp_path / "run", CPU, quiet))
    (tmp_path / "run" / ".DS_Store").write_text("")
    (tmp_path / "run" / "checkpoints" / f".tmp-step-00000002-{os.getpid()}").mkdir()  # a number that comes again
    assert loop.train(tiny(), tmp_path / "run", CPU, quiet)
    assert everything(tmp_path / "run") == uninterrupted(tiny())


def test_a_refused_resume_changes_nothing(tiny, quiet, tmp_path, monkeypatch) -> None:
    loop.train(tiny(), tmp_path / "run", CPU, quiet)
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*.json*")}
    with pytest.raises(AlphabarError):
        loop.train(tiny("training.seed=1"), tmp_path / "run", CPU, quiet)
    real = loop.build.image_facts
    monkeypatch.setattr(loop.build, "image_facts", lambda s: real(s).model_copy(update={"fingerprint": "0" * 64}))
    with pytest.raises(AlphabarError):
        loop.train(tiny(), tmp_path / "run", CPU, quiet)
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.heavy
def test_a_copy_under_another_name_is_neither_used_nor_pruned(tiny, quiet, tmp_path) -> None:
    loop.train(tiny(), tmp_path / "run", CPU, quiet)
    folder = tmp_path / "run" / "checkpoints"
    shutil.copytree(folder / "step-00000002", folder / "step-00000002-keep")
    loop.train(tiny("training.steps=12"), tmp_path / "run", CPU, quiet)
    assert sorted(path.name for path in folder.iterdir()) == [
        "step-00000002-keep",
        *(f"step-{step:08d}" for step in (8, 10, 12)),
    ]


def test_an_interrupted_preview_is_given_up_and_drawn_on_resume(
    tiny, quiet, tmp_path, monkeypatch, uninterrupted
) -> None:
    config, real = tiny("training.sample_every=4"), Pipeline.steps

    def interrupted(*args: object):
        os.kill(os.getpid(), signal.SIGINT)
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(Pipeline, "steps", interrupted)
        assert not loop.train(config, tmp_path / "run", CPU, quiet)
    assert not list((tmp_path / "run" / "samples").iterdir())
    assert loop.train(config, tmp_path / "run", CPU, quiet)
    assert everything(tmp_path / "run") == uninterrupted(config)


@pytest.mark.parametrize(("every", "promise"), [("4", True), ("auto", False)])
def test_a_preview_that_was_given_up_is_promised_only_if_it_is_made(
    tiny, tmp_path, monkeypatch, every, promise
) -> None:
    console = Console(file=io.StringIO())
    monkeypatch.setattr(loop.scoring, "sample", lambda *args: None)
    train = build.image_set(tiny().data)
    state = loop.TrainState(tiny(f"training.sample_every={every}"), build.image_facts(train), CPU)
    log = types.SimpleNamespace(paused=contextlib.nullcontext, say=console.print)
    loop.preview(run.Run(tmp_path), state, loop.preview_pipeline(state, tmp_path, train), log, None)
    assert ("the same command makes them" in console.file.getvalue()) == promise


def test_training_in_a_thread_leaves_the_signals_alone(tiny, quiet, tmp_path) -> None:
    before, results = signal.getsignal(signal.SIGINT), []
    thread = threading.Thread(target=lambda: results.append(loop.train(tiny(), tmp_path / "run", CPU, quiet)))
    thread.start()
    thread.join()
    assert results == [True] and signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("content", ["cut", "empty", "no PNG", "missing"])
def test_a_preview_that_cannot_be_read_is_made_again(tiny, quiet, tmp_path, uninterrupted, content) -> None:
    loop.train(tiny(), tmp_path / "run", CPU, quiet)
    preview = tmp_path / "run" / "samples" / "step-00000006.png"
    whole = preview.read_bytes()
    preview.write_bytes({"cut": whole[: len(whole) // 2], "empty": b"", "no PNG": b"GIF89a"}.get(content, whole))
    if content == "missing":
        preview.unlink()
    assert loop.train(tiny(), tmp_path / "run", CPU, quiet)
    assert everything(tmp_path / "run") == uninterrupted(tiny())


@pytest.mark.heavy
@pytest.mark.parametrize("key", ["threads", "torch", "device", None])
def test_what_is_computed_otherwise_than_so_far_is_said(tiny, quiet, tmp_path, monkeypatch, key) -> None:
    loop.train(tiny("training.steps=2"), tmp_path / "run", CPU, quiet)
    real, console = greeting.computed_on, Console(file=io.StringIO(), width=500)
    if key:
        monkeypatch.setattr(greeting, "computed_on", lambda device: real(device) | {key: "other"})
    loop.train(tiny(), tmp_path / "run", CPU, console)
    lines = [line for line in console.file.getvalue().splitlines() if "computed otherwise" in line]
    before = repr(real(CPU)[key]) if key else ""
    assert lines == (
        [f"warning: computed otherwise than so far ({key} {before} -> 'other'), so the last bits may differ"]
        if key
        else []
    )
