"""A step whose loss or gradient is not finite changes nothing; after too many the run goes back, once, then stops."""

import io
import json
import math
from collections.abc import Callable, Iterable

import pytest
import torch
from rich.console import Console

from alphabar import build, data
from alphabar import config as c
from alphabar.errors import DivergedError, Exit
from alphabar.runs import checkpoint
from alphabar.training import loop
from alphabar.training.mishaps import skipping
from alphabar.training.optimizers import OPTIMIZERS
from alphabar.training.state import TrainState
from alphabar.training.step import Update, train_step

CPU = torch.device("cpu")
IMPORTANCE = (
    "diffusion.objective=vlb", "diffusion.variance=learned_range", "diffusion.timestep_sampler=loss_second_moment",
    "diffusion.steps=5",
)  # fmt: skip


def spoiled(what: str, state: TrainState, step: Callable[[], torch.Tensor]) -> torch.Tensor:
    """`step` with a gradient or a loss that is not finite."""
    first = next(state.network.parameters())
    if what == "gradient":
        hook = first.register_hook(lambda g: g * torch.nan)
        norm = step()
        hook.remove()
        return norm
    hook = state.network.register_forward_hook(lambda module, given, out: out * math.inf)
    norm = step()
    hook.remove()
    return norm


def bad_at(monkeypatch: pytest.MonkeyPatch, steps: Iterable[int], what: str = "gradient") -> None:
    """These steps, counted from 0, are not finite."""
    real, bad = loop.train_step, set(steps)

    def step(update, state, batch):
        work = lambda: real(update, state, batch)  # noqa: E731
        return spoiled(what, state, work) if state.step in bad else work()

    monkeypatch.setattr(loop, "train_step", step)


def tensors_of(state: TrainState) -> dict[str, torch.Tensor]:
    return {f"{name}/{key}": t.clone() for name, group in state.tensors().items() for key, t in group.items()}


def made(config: c.Config) -> tuple[Update, TrainState, Callable[[], data.Batch]]:
    image_set = build.image_set(config.data)
    state = TrainState(config, build.image_facts(image_set), CPU)
    stream = data.ShuffledStream(image_set, 0, False)
    return Update.of(state, CPU, 1000), state, lambda: stream.batch(state.images, 8)


@pytest.mark.parametrize("branches", [{"cpu"}, set()], ids=["branch", "mask"])
@pytest.mark.parametrize("what", ["gradient", "loss"])
@pytest.mark.parametrize(
    "settings", [*[(f"optimizer.name={name}", "optimizer.weight_decay=0.1") for name in OPTIMIZERS], IMPORTANCE]
)
def test_row_13_a_step_that_is_not_finite_changes_no_tensor_and_counts(
    tiny, monkeypatch, settings, what, branches
) -> None:
    """On the CPU, where the host looks, and as on a GPU, where it does not."""
    monkeypatch.setattr(skipping, "BRANCHING", branches)
    update, state, batch = made(tiny(*settings))
    for _ in range(2):
        train_step(update, state, batch())
    before = tensors_of(state)
    spoiled(what, state, lambda: train_step(update, state, batch()))
    after = tensors_of(state)
    assert before.keys() == after.keys() and all(torch.equal(before[key], after[key]) for key in before)
    assert (state.step, state.images, int(state.skips.in_a_row)) == (3, 24, 1)
    bad = state.skips.read()
    assert bad and (bad.step, bad.images, bad.count, len(bad.t)) == (2, 16, 1, 8) and state.skips.read() is None
    train_step(update, state, batch())
    assert int(state.skips.in_a_row) == 0
    assert not all(torch.equal(before[key], tensor) for key, tensor in tensors_of(state).items())


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_row_13_without_the_host_looking_a_run_learns_the_same(tiny, monkeypatch, name) -> None:
    ends = []
    for branches in ({"cpu"}, set()):
        monkeypatch.setattr(skipping, "BRANCHING", branches)
        update, state, batch = made(tiny(f"optimizer.name={name}", "optimizer.weight_decay=0.1"))
        for _ in range(4):
            train_step(update, state, batch())
        ends.append(tensors_of(state))
    assert all(torch.allclose(ends[0][key], ends[1][key], rtol=1e-5, atol=1e-7) for key in ends[0])


@pytest.mark.parametrize("steps", [[3], [2, 3, 4]])
def test_row_13_skipped_steps_are_said_once_with_t_and_images_and_recorded(tiny, tmp_path, monkeypatch, steps) -> None:
    console = Console(file=io.StringIO(), width=500)
    bad_at(monkeypatch, steps)
    assert loop.train(tiny(), tmp_path / "run", CPU, console)
    said = console.file.getvalue()
    assert said.count("is skipped") == 1
    assert f"step {steps[0] + 1} is skipped, as its loss or gradient is not finite (t " in said
    stream = data.ShuffledStream(build.image_set(tiny().data), 0, False)
    assert f"images number {', '.join(map(str, stream.numbers(8 * steps[0], 8)))} of the data" in said
    rows = [json.loads(line, parse_constant=pytest.fail) for line in (tmp_path / "run" / "metrics.jsonl").open()]
    assert sum(row.get("skipped_steps", 0) for row in rows) == len(steps)
    assert [row["step"] for row in rows] == [2, 4, 6]


def test_row_13_a_checkpoint_that_is_due_after_a_bad_step_waits_for_a_good_one(
    tiny, quiet, tmp_path, monkeypatch
) -> None:
    bad_at(monkeypatch, [3])
    assert loop.train(tiny(), tmp_path / "run", CPU, quiet)
    assert [checkpoint.step_of(path) for path in checkpoint.steps(tmp_path / "run" / "checkpoints")] == [2, 5, 6]


BACK = (
    "training.bad_steps=2",
    "optimizer.decay=constant",
    "training.steps=12",
    "training.checkpoint_every=3",
    "training.log_every=1",
)


def once_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps 4, 5 and 6 are bad at the full learning rate."""
    real = loop.train_step

    def step(update, state, batch):
        work = lambda: real(update, state, batch)  # noqa: E731
        is_bad = state.step in (4, 5, 6) and state.rate_factor == 1
        return spoiled("gradient", state, work) if is_bad else work()

    monkeypatch.setattr(loop, "train_step", step)


def test_row_13_after_too_many_bad_steps_the_run_goes_back_once_with_half_the_rate(tiny, tmp_path, monkeypatch) -> None:
    once_bad(monkeypatch)
    path, console = tmp_path / "run", Console(file=io.StringIO(), width=500)
    assert loop.train(tiny(*BACK), path, CPU, console)
    said = console.file.getvalue()
    assert "goes on from step 3 with half the learning rate" in said and "in the last 3 updates by step 7" in said
    rows = [json.loads(line) for line in (path / "metrics.jsonl").open()]
    assert [row["step"] for row in rows] == list(range(1, 13))
    full = tiny(*BACK).optimizer.learning_rate
    assert [row["learning_rate"] for row in rows[2:]] == [full] + [full / 2] * 9
    changes = [json.loads(line)["changed"] for line in (path / "environment.jsonl").open()]
    assert changes[0] == [] and "from step 3 on (diverged at step 7)" in changes[1][0]
    newest = checkpoint.latest(path / "checkpoints")
    assert newest is not None and newest.state["rate_factor"] == 0.5

    resumed = Console(file=io.StringIO(), width=500)
    assert loop.train(tiny(*BACK, "training.steps=14"), path, CPU, resumed)
    assert json.loads((path / "metrics.jsonl").read_text().splitlines()[-1])["learning_rate"] == full / 2
    assert "the learning rate is 0.5 times what is set" in resumed.file.getvalue()


def test_row_13_a_run_that_goes_back_and_is_interrupted_ends_where_it_would_have_ended(
    tiny, quiet, tmp_path, monkeypatch
) -> None:
    once_bad(monkeypatch)
    assert loop.train(tiny(*BACK), tmp_path / "whole", CPU, quiet)
    for end in (3, 9, 12):
        assert loop.train(tiny(*BACK, f"training.steps={end}"), tmp_path / "parts", CPU, quiet)
    whole, parts = (checkpoint.latest(tmp_path / name / "checkpoints") for name in ("whole", "parts"))
    for name in ("network", "ema-0.995", "optimizer"):
        ours, theirs = whole.tensors(name), parts.tensors(name)
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_row_13_the_second_time_it_stops_with_exit_5_and_keeps_its_last_good_checkpoint(
    tiny, tmp_path, monkeypatch
) -> None:
    bad_at(monkeypatch, range(4, 100))
    console = Console(file=io.StringIO(), width=500)
    with pytest.raises(DivergedError, match=r"the checkpoint of step 3 is kept\); resume with") as error:
        loop.train(tiny(*BACK), tmp_path / "run", CPU, console)
    assert error.value.status == Exit.DIVERGED == 5
    assert console.file.getvalue().count("goes on from step 3 with half the learning rate") == 1
    assert [checkpoint.step_of(path) for path in checkpoint.steps(tmp_path / "run" / "checkpoints")] == [3]


@pytest.mark.parametrize("factor", [0, -1, 2, "half", True, None])
def test_row_13_a_rate_factor_that_is_none_is_refused(tiny, quiet, tmp_path, factor) -> None:
    from alphabar.errors import AlphabarError
    from spoiled_runs import newest, state

    loop.train(tiny(), tmp_path / "run", CPU, quiet)
    state(newest(tmp_path / "run"), lambda s: s.update(rate_factor=factor))
    with pytest.raises(AlphabarError, match="is damaged"):
        loop.train(tiny("training.steps=7"), tmp_path / "run", CPU, quiet)
