"""A budget of minutes is kept, its rate ends at 0, and what follows a checkpoint does not depend on the clock."""

import itertools
import json
import math
import types
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from rich.console import Console

from alphabar.config import Optimizer
from alphabar.errors import AlphabarError
from alphabar.runs import checkpoint
from alphabar.training import loop
from alphabar.training.clock.length import GRACE, Length
from alphabar.training.clock.pace import MEASUREMENTS, Pace
from alphabar.training.optimizers.lr import DECAYS, learning_rate
from exact import SMALL, die_at_call, everything
from processes import killed

CPU = torch.device("cpu")
FALLING = [name for name in DECAYS if name != "constant"]


class Clock(types.ModuleType):
    """Time that passes only while a step is made: `seconds(step)` for the step after `step`."""

    def __init__(self, seconds: Callable[[int], float], previews: float = 0.0) -> None:
        super().__init__("time")
        self.now, self.seconds, self.previews = 0.0, seconds, previews

    def perf_counter(self) -> float:
        return self.now


def timed(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    step, preview = loop.train_step, loop.preview

    def slow_step(update, state, batch):
        clock.now += clock.seconds(state.step)
        return step(update, state, batch)

    def slow_preview(*args):
        clock.now += clock.previews
        return preview(*args)

    monkeypatch.setattr(loop, "time", clock)
    monkeypatch.setattr(loop, "train_step", slow_step)
    monkeypatch.setattr(loop, "preview", slow_preview)


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


def budget(tiny, decay: str = "cooldown", minutes: float = 4, *more: str):
    return tiny(
        "training.steps=none", f"training.minutes={minutes}", f"optimizer.decay={decay}", "training.log_every=1",
        "training.checkpoint_every=1000", "training.keep_checkpoints=100", *SMALL, *more,
    )  # fmt: skip


SPEEDS = {
    "even": lambda seconds: 0.1,
    "slower": lambda seconds: 0.1 if seconds < 120 else 0.2,
    "faster": lambda seconds: 0.2 if seconds < 120 else 0.1,
    "busy at the end": lambda seconds: 0.1 if seconds < 236 else 0.16,
    "slow before the end": lambda seconds: 0.1 if not 200 < seconds < 233 else 1.0,
    "uneven": lambda seconds: 0.05 + 0.1 * (int(10 * seconds) % 3),
}


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("decay", FALLING)
def test_a_budget_is_kept_and_ends_at_a_rate_of_0(decay, speed) -> None:
    """The loop's decisions, with steps of these seconds."""
    length, section = Length(None, 240.0, decays=True), Optimizer(learning_rate=1.0, decay=decay)
    pace, step, seconds, rates = Pace().within(length.budget), 0, 0.0, []
    while not length.is_over(pace, step, seconds):
        rates.append(learning_rate(section, step, length.end(pace)))
        step, seconds = step + 1, seconds + SPEEDS[speed](seconds)
        pace = pace.measured(step, seconds) if pace.is_due(step, seconds) else pace
    assert 0.99 * 240 <= seconds <= 1.05 * 240
    assert rates[-1] < 0.05 and rates[0] == 1


@pytest.mark.parametrize("decay", FALLING)
@pytest.mark.parametrize(("every", "cost"), [(50, 2.0), (50, 5.0), (300, 1.0)])
def test_evaluations_count_in_the_budget_and_do_not_move_its_end_to_and_fro(decay, every, cost) -> None:
    """The loop's decisions, with evaluations that take up to a half of the time."""
    length, section = Length(None, 240.0, decays=True), Optimizer(learning_rate=1.0, decay=decay)
    pace, step, seconds, aside, rates = Pace().within(length.budget), 0, 0.0, 0.0, []
    while not length.is_over(pace, step, seconds):
        rates.append(learning_rate(section, step, length.end(pace)))
        step, seconds = step + 1, seconds + 0.1
        pace = pace.measured(step, seconds, aside) if pace.is_due(step, seconds) else pace
        if step % every == 0:
            seconds, aside = seconds + cost, aside + cost
    assert 0.97 * 240 <= seconds <= 1.05 * 240
    late = rates[len(rates) // 2 :]
    assert rates[-1] < 0.1 and all(after < before + 0.1 for before, after in itertools.pairwise(late))


def test_the_loop_puts_previews_and_evaluations_aside(tiny, quiet, tmp_path, monkeypatch) -> None:
    clock = Clock(lambda step: 3.0, previews=5.0)
    timed(monkeypatch, clock)

    def slow_evaluation(*args):
        clock.now += 20.0

    monkeypatch.setattr(loop.scoring, "evaluate", slow_evaluation)
    monkeypatch.setattr(loop.scoring, "judges", lambda *args: types.SimpleNamespace(introduce=lambda log: None))
    more = ("training.minutes=100", "training.steps=8", "training.sample_every=4", "evaluation.every=2")
    assert loop.train(budget(tiny, "cooldown", 100, *more), tmp_path / "run", CPU, quiet)
    numbers = checkpoint.latest(tmp_path / "run" / "checkpoints").state
    assert (numbers["seconds"], numbers["aside"]) == (8 * 3 + 3 * 20 + 5, 3 * 20 + 5)


@pytest.mark.parametrize("minutes", [5e-324, 1e-310, 1e-9])
def test_a_budget_of_no_time_ends_a_run_after_a_step(minutes) -> None:
    assert Pace().within(60 * minutes).is_due(1, 0.1)
    assert Pace().within(60 * minutes).measured(1, 0.1).end == 1


@pytest.mark.parametrize("key", ["minutes", "epochs"])
def test_a_length_without_end_is_a_sentence(tiny, key) -> None:
    with pytest.raises(AlphabarError, match=f"training.{key} is"):
        tiny(f"training.{key}=1e300")


@pytest.fixture(scope="module")
def whole(tiny, tmp_path_factory) -> Path:
    """A run of a whole budget, of which each step takes three seconds."""
    path = tmp_path_factory.mktemp("budget") / "whole"
    with pytest.MonkeyPatch.context() as patch:
        timed(patch, Clock(lambda step: 3.0))
        assert loop.train(budget(tiny), path, CPU, Console(quiet=True))
    return path


@pytest.mark.heavy
def test_a_run_keeps_its_budget(tiny, whole) -> None:
    *_, last = rows(whole)
    assert 0.95 * 240 <= last["seconds"] <= 1.05 * 240
    assert last["learning_rate"] < 0.1 * budget(tiny).optimizer.learning_rate


@pytest.mark.heavy
def test_previews_count_in_the_budget(tiny, quiet, tmp_path, monkeypatch) -> None:
    clock = Clock(lambda step: 3.0, previews=9.0)
    timed(monkeypatch, clock)
    assert loop.train(budget(tiny, "cooldown", 4, "training.sample_every=auto"), tmp_path / "run", CPU, quiet)
    made = sorted(int(path.stem[5:]) for path in (tmp_path / "run" / "samples").glob("step-*.png"))
    assert 0.95 * 240 <= clock.now <= 1.05 * 240, "with the preview at the end"
    assert len(made) == 2, "one that is 1/20 of the time so far, and the one at the end"


def test_the_rate_of_a_long_warm_up_and_steps_without_a_budget_are_as_ever(tiny, quiet, tmp_path) -> None:
    config = tiny("optimizer.decay=linear", "optimizer.warmup_steps=0", "training.log_every=1")
    assert loop.train(config, tmp_path / "run", CPU, quiet)
    rate = config.optimizer.learning_rate
    assert [row["learning_rate"] for row in rows(tmp_path / "run")] == pytest.approx(
        [rate * (1 - step / 6) for step in range(6)]
    )


@pytest.mark.heavy
@pytest.mark.parametrize("call", [41])
def test_a_killed_run_resumes_to_the_bit_by_the_same_clock(tiny, quiet, tmp_path, monkeypatch, whole, call) -> None:
    config = budget(tiny)
    with monkeypatch.context() as patch:
        timed(patch, Clock(lambda step: 3.0))
        die_at_call(patch, loop, "train_step", call)
        assert killed(lambda: loop.train(config, tmp_path / "run", CPU, quiet))
    timed(monkeypatch, Clock(lambda step: 3.0))
    assert loop.train(config, tmp_path / "run", CPU, quiet)
    assert everything(tmp_path / "run") == everything(whole)


@pytest.mark.heavy
def test_up_to_the_next_checkpoint_nothing_depends_on_the_clock(tiny, quiet, tmp_path, monkeypatch, whole) -> None:
    timed(monkeypatch, Clock(lambda step: 3.0 if step < 70 else 3.1))
    assert loop.train(budget(tiny), tmp_path / "late", CPU, quiet)
    weights = []
    for run in (whole, tmp_path / "late"):
        saved = {checkpoint.step_of(path): path for path in checkpoint.steps(run / "checkpoints")}
        after = min(step for step in saved if step > 70)
        weights.append(checkpoint.read(saved[after]).tensors("network"))
        assert after < 74
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.heavy
def test_more_minutes_let_a_finished_run_go_on_at_the_full_rate(tiny, quiet, tmp_path, monkeypatch) -> None:
    timed(monkeypatch, Clock(lambda step: 3.0))
    assert loop.train(budget(tiny, minutes=1), tmp_path / "run", CPU, quiet)
    assert loop.train(budget(tiny, minutes=2), tmp_path / "run", CPU, quiet)
    by_step = {row["step"]: row["learning_rate"] for row in rows(tmp_path / "run")}
    assert by_step[24] == max(by_step.values()) and by_step[max(by_step)] < 0.3 * by_step[24]


def test_the_end_is_that_of_the_last_measurement() -> None:
    pace = Pace().within(100.0)
    assert not pace.is_due(1, 100 / MEASUREMENTS - 0.01) and pace.is_due(1, 100 / MEASUREMENTS)
    pace = pace.measured(10, 20.0)
    assert pace.end == 10 + 40 and pace.is_due(50, 20.1), "and at the end, whenever it comes"
    assert not pace.is_due(10, 20.0) and not Pace(end=3).is_due(3, 1.0) and pace.measured(20, 60.0).end == 20 + 10
    assert pace.measured(20, 60.0, aside=20.0).end == 20 + math.floor(40 / (2 + 20 / 20)), "and so much to come"
    assert pace.measured(20, 60.0, aside=20.0).measured(30, 80.0, aside=20.0).aside == 20.0
    assert pace.measured(20, 60.0, reserve=8.0).end == 20 + 8
    assert pace.measured(20, 150.0).end == 20
    assert pace.within(100.0) is pace and pace.within(50.0).end is None


def test_the_pace_of_a_run_that_put_nothing_aside_is_read(tmp_path) -> None:
    from alphabar.training.state import _pace

    entry = {"step": 3, "seconds": 1.5, "budget": 60.0, "end": 120}
    assert _pace(checkpoint.Checkpoint(tmp_path, {"pace": entry}, {})) == Pace(3, 1.5, 60.0, 120)


def test_whatever_comes_first_ends_a_run() -> None:
    length = Length(steps=100, seconds=60.0, decays=True)
    assert length.end(Pace()) == 100 and length.end(Pace(end=30)) == 30 and length.end(Pace(end=300)) == 100
    assert length.is_over(Pace(end=30), 30, 1.0) and not length.is_over(Pace(end=30), 29, 60.5)
    assert length.is_over(Pace(end=30), 29, GRACE * 60.0) and length.is_over(Pace(), 100, 0.0)


@pytest.mark.parametrize("value", [3, {"step": 1}, {"step": -1, "seconds": 0, "budget": None, "end": None},
                                   {"step": 0, "seconds": "x", "budget": None, "end": None}])  # fmt: skip
def test_a_pace_that_none_wrote_is_a_sentence(tiny, quiet, tmp_path, value) -> None:
    from alphabar.training.state import _pace

    saved = checkpoint.Checkpoint(tmp_path, {"pace": value}, {})
    with pytest.raises(AlphabarError, match="pace"):
        _pace(saved)
