"""Whatever signal comes and whenever it comes: what is said of saving is true, and there is never a traceback."""

import io
import os
import pty
import random
import re
import signal
import sys
import time
from pathlib import Path

import pytest
import torch
from rich.console import Console

from alphabar.errors import Exit
from alphabar.runs import checkpoint
from alphabar.terminal.signals import EXIT, SAVE
from alphabar.training import log, loop, saving
from alphabar.training.clock.length import Length
from alphabar.training.interrupt import Interrupt
from fuzz import often
from processes import forked, status_of, wait, wait_for
from signalled import SAVED, check, command_line, newest_step, signalled_run

CPU = torch.device("cpu")
SIGNALS = [*EXIT, SAVE]


def at_call(monkeypatch: pytest.MonkeyPatch, where: object, name: str, call: int, number: int) -> None:
    """Send the signal to this process before that call of a function."""
    real, calls = getattr(where, name), iter(range(1, 10**6))

    def signalled(*args: object, **kwargs: object) -> object:
        if next(calls) == call:
            signal.raise_signal(number)
        return real(*args, **kwargs)

    monkeypatch.setattr(where, name, signalled)


MOMENTS: list[tuple[object, str, int]] = [
    (loop, "train_step", 1),
    (loop, "train_step", 4),
    (Length, "is_over", 4),
    (log.Log, "tick", 3),
    (log.Log, "write", 1),
    (loop.divergence, "check_weights", 1),
    (saving.Saver, "begin", 1),
    (checkpoint, "_sync", 3),
    (loop.scoring, "prune", 1),
    (loop, "preview", 1),
]


def ids(value: object) -> str:
    return str(value) if isinstance(value, str | int) else value.__name__.split(".")[-1]  # type: ignore[attr-defined]


@pytest.mark.parametrize("number", [signal.SIGUSR1, SAVE])
@pytest.mark.parametrize(("where", "name", "call"), MOMENTS, ids=ids)
def test_a_signal_saves_the_last_step_that_was_made(tiny, tmp_path, monkeypatch, where, name, call, number) -> None:
    config, console = tiny("training.checkpoint_every=4"), Console(file=io.StringIO(), width=500)
    made: list[int] = []
    real = loop.train_step

    def step(update, state, batch):
        norm = real(update, state, batch)
        made.append(state.step)
        return norm

    monkeypatch.setattr(loop, "train_step", step)
    at_call(monkeypatch, where, name, call, number)
    finished = loop.train(config, tmp_path / "run", CPU, console)
    said = console.file.getvalue()
    saved = [int(next(filter(None, match.groups()))) for match in SAVED.finditer(said)]
    assert newest_step(tmp_path / "run") == made[-1]
    assert finished == (made[-1] == 6)
    if number == SAVE:
        assert finished and len(saved) == 1 and saved[0] in made
    else:
        assert "finishing this step and saving; press Ctrl-C again" in said
        assert saved == ([] if finished else [made[-1]])


def test_sigusr2_saves_between_checkpoints_and_changes_nothing_else(tiny, quiet, tmp_path, monkeypatch) -> None:
    config, kept = tiny("training.checkpoint_every=100"), []
    monkeypatch.setattr(loop.scoring, "prune", lambda run, keep: kept.append(newest_step(run.path)))
    with monkeypatch.context() as patch:
        at_call(patch, log.Log, "tick", 3, SAVE)
        assert loop.train(config, tmp_path / "asked", CPU, quiet)
    assert kept == [3, 6]
    assert loop.train(config, tmp_path / "plain", CPU, quiet)
    asked, plain = (checkpoint.latest(tmp_path / name / "checkpoints") for name in ("asked", "plain"))
    assert all(asked.sha256[name] == plain.sha256[name] for name in plain.sha256 if name.endswith(".safetensors"))


@pytest.mark.parametrize("number", EXIT)
def test_before_the_first_step_nothing_is_said_to_be_saved(tiny, tmp_path, monkeypatch, number) -> None:
    console = Console(file=io.StringIO(), width=500)
    real = Interrupt.__enter__

    def entered(interrupt: Interrupt) -> Interrupt:
        real(interrupt)
        signal.raise_signal(number)
        return interrupt

    monkeypatch.setattr(Interrupt, "__enter__", entered)
    assert not loop.train(tiny(), tmp_path / "run", CPU, console)
    assert "interrupted before the first step, so nothing was saved" in console.file.getvalue()
    assert "interrupted and saved" not in console.file.getvalue() and newest_step(tmp_path / "run") == 0


def test_the_handlers_are_what_they_were_afterwards(tiny, quiet, tmp_path) -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    loop.train(tiny(), tmp_path / "run", CPU, quiet)
    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.mark.parametrize("first", EXIT)
def test_only_a_further_ctrl_c_ends_the_program_at_once(first) -> None:
    """A terminal that closes, or a service manager, sends several signals, and the save must not be lost to them."""
    said: list[str] = []
    with pytest.raises(KeyboardInterrupt), Interrupt(said.append) as interrupt:
        signal.raise_signal(first)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, SAVE, signal.SIGTERM):
            signal.raise_signal(number)
        assert interrupt.requested and interrupt.save_requested and len(said) == 1
        signal.raise_signal(signal.SIGINT)


def test_a_hangup_that_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupt(print) as interrupt:
            signal.raise_signal(signal.SIGHUP)
            assert not interrupt.requested
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("error", [RuntimeError("reentrant call inside <_io.BufferedWriter>"), OSError(5, "gone")])
def test_a_sentence_that_cannot_be_written_does_not_stop_the_save(error, capfd) -> None:
    def say(sentence: str) -> None:
        raise error

    with Interrupt(say) as interrupt:
        signal.raise_signal(signal.SIGTERM)
    assert interrupt.requested and "finishing this step and saving" in capfd.readouterr().err


# ---- whole processes ----------------------------------------------------------------------------------------------


@pytest.mark.heavy
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_to_the_command(tmp_path, number) -> None:
    assert check(number, *signalled_run(tmp_path, number, 0.3)) in ("saved", "saved and continued")


@pytest.mark.heavy
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_signals_at_random_calls_of_any_function(tiny, tmp_path, monkeypatch, number) -> None:
    """The moment is a call of some Python function, any of those that run while the handlers are there."""
    monkeypatch.setattr(loop.plots, "loss_curve", lambda *_: None)
    config, made, chance = tiny("training.checkpoint_every=3"), [], random.Random(int(number))
    real_step, real_enter = loop.train_step, Interrupt.__enter__

    def step(update, state, batch):
        norm = real_step(update, state, batch)
        made.append(state.step)
        return norm

    monkeypatch.setattr(loop, "train_step", step)

    def run(path: Path, call: int) -> tuple[bool, str, int]:
        """Whether the run finished, what it said, and how many calls there were."""
        calls, console = 0, Console(file=io.StringIO(), width=500)

        def count(frame: object, event: str, _: object) -> None:
            nonlocal calls
            calls += event == "call"
            if calls == call and event == "call":
                signal.raise_signal(number)

        def enter(interrupt: Interrupt) -> Interrupt:
            real_enter(interrupt)
            sys.setprofile(count)
            return interrupt

        def leave(interrupt: Interrupt, *error: object) -> None:
            sys.setprofile(None)
            real_exit(interrupt, *error)

        real_exit = Interrupt.__exit__
        with monkeypatch.context() as patch:
            patch.setattr(Interrupt, "__enter__", enter)
            patch.setattr(Interrupt, "__exit__", leave)
            return loop.train(config, path, CPU, console), console.file.getvalue(), calls

    total = min(run(tmp_path / name, -1)[2] for name in ("first", "warm"))
    partial, rounds = 0, often(15)
    for k in range(rounds):
        made.clear()
        finished, said, _ = run(tmp_path / str(k), chance.randrange(1, total * 9 // 10))
        saved = [int(next(filter(None, match.groups()))) for match in SAVED.finditer(said)]
        assert newest_step(tmp_path / str(k)) == (made[-1] if made else 0), said
        assert finished == bool(made and made[-1] == 6)
        if number == SAVE:
            assert finished and (len(saved) == 1 or "finish" not in said)
        else:
            assert said.count("finishing this step and saving") == 1, said
            assert finished or saved == made[-1:]
        partial += not finished
    assert partial >= rounds // 2 or number == SAVE


def test_ctrl_c_twice_exits_with_130_and_one_sentence(tmp_path, monkeypatch) -> None:
    output = tmp_path / "output"
    real = loop.train_step

    def slow(update, state, batch):
        time.sleep(20 if state.step == 3 else 0)
        return real(update, state, batch)

    monkeypatch.setattr(loop, "train_step", slow)
    child = forked(command_line(tmp_path / "run", 60), output)
    wait_for('"step": 3,', tmp_path / "run" / "metrics.jsonl")
    time.sleep(0.2)
    os.kill(child, signal.SIGINT)
    wait_for("finishing this step", output)
    os.kill(child, signal.SIGINT)
    start = time.monotonic()
    assert wait(child) == Exit.AT_ONCE == 130 and time.monotonic() - start < 5
    said = output.read_text()
    assert "Traceback" not in said
    assert said.endswith("\nalphabar: stopped at once; a run keeps the checkpoints that it has.\n")


@pytest.mark.heavy
def test_ctrl_c_many_times_never_ends_in_a_traceback(tmp_path) -> None:
    chance, statuses = random.Random(0), []
    for k in range(10):
        (tmp_path / str(k)).mkdir()
        output = tmp_path / str(k) / "output"
        child = forked(command_line(tmp_path / str(k) / "run", 60), output)
        wait_for("run directory", output)
        time.sleep(chance.uniform(0, 0.8))
        for _ in range(3):
            os.kill(child, signal.SIGINT)
            time.sleep(chance.choice([0, 0.001, 0.01, 0.1]))
        statuses.append(wait(child))
        assert "Traceback" not in output.read_text(errors="replace"), output.read_text(errors="replace")
        newest_step(tmp_path / str(k) / "run")
    assert set(statuses) <= {0, 4, 130} and 130 in statuses, statuses


def slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    real = loop.train_step

    def slow(update, state, batch):
        time.sleep(0.02)
        return real(update, state, batch)

    monkeypatch.setattr(loop, "train_step", slow)


def test_a_terminal_that_closes_does_not_lose_a_step(tmp_path, monkeypatch) -> None:
    """The kernel sends SIGHUP, and each later write to the terminal is an error."""
    slowly(monkeypatch)
    child, terminal = pty.fork()
    if child == 0:
        os._exit(status_of(command_line(tmp_path / "run", 2000)))
    seen = b""
    while not re.search(rb"step [1-9]\d* of 2,000", seen):
        seen += os.read(terminal, 4096)
    os.close(terminal)
    assert wait(child) == Exit.INTERRUPTED
    assert newest_step(tmp_path / "run") > 0


def test_a_pipe_that_nobody_reads_does_not_stop_a_training(tmp_path, monkeypatch) -> None:
    slowly(monkeypatch)
    reader, writer = os.pipe()
    work = command_line(tmp_path / "run", 20)
    child = forked(lambda: (os.close(reader), work()), writer)
    os.read(reader, 1)
    os.close(reader)
    assert wait(child) == 0 and newest_step(tmp_path / "run") == 20


@pytest.mark.parametrize(("every", "number"), [("auto", signal.SIGINT), ("auto", signal.SIGTERM), (0, signal.SIGINT)])
def test_ctrl_c_leaves_a_preview_where_previews_follow_the_clock(
    tiny, quiet, tmp_path, monkeypatch, every, number
) -> None:
    config = tiny(f"training.sample_every={every}", "training.checkpoint_every=100")
    at_call(monkeypatch, loop, "train_step", 4, number)
    assert not loop.train(config, tmp_path / "run", CPU, quiet)
    drawn = {path.name for path in (tmp_path / "run" / "samples").glob("*.png")}
    by_clock = (every, number) == ("auto", signal.SIGINT)
    assert drawn == ({"step-00000004.png", "latest.png"} if by_clock else set())
