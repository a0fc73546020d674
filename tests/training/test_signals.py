"""Whatever signal comes and whenever it comes: what is said of saving is true, and there is never a traceback."""

import io
import os
import pty
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from rich.console import Console

from alphabar.cli import train as command
from alphabar.runs import checkpoint
from alphabar.training import log, loop
from alphabar.training.interrupt import EXIT, SAVE, Interrupt
from tiny_settings import TINY

CPU = torch.device("cpu")
SIGNALS = [*EXIT, SAVE]
SAVED = re.compile(r"interrupted and saved at step (\d+)|saved the checkpoint of step (\d+) \(SIGUSR1\)")


def newest_step(path: Path) -> int:
    """The step of the newest checkpoint, verified; 0 if there is none."""
    newest = checkpoint.latest(path / "checkpoints")
    return int(newest.state["step"]) if newest else 0


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
    (loop, "is_over", 3),
    (log.Log, "tick", 3),
    (log.Log, "write", 1),
    (loop.divergence, "check_weights", 1),
    (loop, "save", 1),
    (checkpoint, "_sync", 3),
    (loop.scoring, "prune", 1),
    (loop, "preview", 1),
]


def ids(value: object) -> str:
    return str(value) if isinstance(value, str | int) else value.__name__.split(".")[-1]  # type: ignore[attr-defined]


@pytest.mark.parametrize("number", [signal.SIGHUP, SAVE])
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


def test_sigusr1_saves_between_checkpoints_and_changes_nothing_else(tiny, quiet, tmp_path, monkeypatch) -> None:
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
        for number in (signal.SIGTERM, signal.SIGHUP, SAVE, signal.SIGTERM):
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


def in_a_process(work: Callable[[], object], output: Path) -> int:
    """Run `work` in a forked process whose stderr and stdout go to a file; returns its number."""
    child = os.fork()
    if child == 0:
        status = 97
        try:
            handle = os.open(output, os.O_WRONLY | os.O_CREAT)
            os.dup2(handle, 1)
            os.dup2(handle, 2)
            sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1) for number in (1, 2))
            work()
            status = 0
        except SystemExit as error:
            status = int(error.code or 0)
        except BaseException:
            import traceback

            traceback.print_exc(file=sys.stderr)
        finally:
            os._exit(status)
    return child


def command_line(path: Path, steps: int) -> Callable[[], object]:
    """`alphabar train` as a process would run it."""
    overrides = [*TINY, f"training.steps={steps}", "training.checkpoint_every=7", "training.log_every=3"]

    def work() -> object:
        from alphabar import cli

        torch.set_num_threads(1)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.argv = ["alphabar", "train", "ddpm_digits", "--run", str(path), *overrides]
        return cli.main()

    return work


def wait(child: int) -> int:
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def wait_for(text: str, output: Path, seconds: float = 60) -> str:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if output.exists() and text in (said := output.read_text(errors="replace")):
            return said
        time.sleep(0.005)
    raise AssertionError(f"{text!r} was not said: {output.read_text() if output.exists() else None}")


def signalled_run(folder: Path, number: int, pause: float) -> tuple[int, str, int]:
    """The exit status, the output and the newest checkpoint of a training that gets a signal after a pause."""
    output, path = folder / "output", folder / "run"
    child = in_a_process(command_line(path, 60), output)
    wait_for("run directory", output)
    time.sleep(pause)
    os.kill(child, number)
    return wait(child), output.read_text(errors="replace"), newest_step(path)


def check(number: int, status: int, said: str, newest: int) -> str:
    """Whether the truth was told; returns how the run ended."""
    assert "Traceback" not in said, said
    saved = [int(next(filter(None, match.groups()))) for match in SAVED.finditer(said)]
    if number == SAVE:
        assert status == 0 and newest == 60, said
        assert all(step <= 60 for step in saved)
        return "saved and continued" if saved else "after the last step"
    if status == 4:
        assert f"interrupted and saved at step {newest}" in said or ("before the first step" in said and newest == 0)
        return "saved" if newest else "before the first step"
    if status == 0:
        assert newest == 60, said
        return "finished"
    assert status in (130, -number), (status, said)
    assert "finishing this step and saving" not in said, said
    return "before or after training"


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_to_the_command(tmp_path, number) -> None:
    assert check(number, *signalled_run(tmp_path, number, 0.3)) in ("saved", "saved and continued")


@pytest.mark.heavy
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_sixty_signals_at_random_moments(tmp_path, number) -> None:
    chance, ends = random.Random(int(number)), []
    for k in range(60):
        (tmp_path / str(k)).mkdir()
        ends.append(check(number, *signalled_run(tmp_path / str(k), number, chance.uniform(0, 1.2))))
    print({end: ends.count(end) for end in set(ends)})
    assert len(ends) == 60 and ends.count("saved") + ends.count("saved and continued") >= 30


def test_ctrl_c_twice_exits_with_130_and_one_sentence(tmp_path, monkeypatch) -> None:
    output = tmp_path / "output"
    real = loop.train_step

    def slow(update, state, batch):
        time.sleep(20 if state.step == 3 else 0)
        return real(update, state, batch)

    monkeypatch.setattr(loop, "train_step", slow)
    child = in_a_process(command_line(tmp_path / "run", 60), output)
    wait_for("step 3 ", output)
    time.sleep(0.2)
    os.kill(child, signal.SIGINT)
    wait_for("finishing this step", output)
    os.kill(child, signal.SIGINT)
    start = time.monotonic()
    assert wait(child) == command.STOPPED == 130 and time.monotonic() - start < 5
    said = output.read_text()
    assert "Traceback" not in said
    assert said.endswith("\nalphabar: stopped at once; a run keeps the checkpoints that it has.\n")


@pytest.mark.heavy
def test_ctrl_c_many_times_never_ends_in_a_traceback(tmp_path) -> None:
    chance, statuses = random.Random(0), []
    for k in range(30):
        (tmp_path / str(k)).mkdir()
        output = tmp_path / str(k) / "output"
        child = in_a_process(command_line(tmp_path / str(k) / "run", 60), output)
        wait_for("run directory", output)
        time.sleep(chance.uniform(0, 0.8))
        for _ in range(3):
            os.kill(child, signal.SIGINT)
            time.sleep(chance.choice([0, 0.001, 0.01, 0.1]))
        statuses.append(wait(child))
        assert "Traceback" not in output.read_text(errors="replace"), output.read_text(errors="replace")
        newest_step(tmp_path / str(k) / "run")
    assert set(statuses) <= {0, 4, 130} and 130 in statuses, statuses


def test_a_terminal_that_closes_does_not_lose_a_step(tmp_path) -> None:
    """The kernel sends SIGHUP, and each later write to the terminal is an error."""
    script = (
        "import os, sys, time; os.environ['OMP_NUM_THREADS'] = '1'\n"
        "from alphabar import cli; from alphabar.training import loop; real = loop.train_step\n"
        "def slow(update, state, batch):\n"
        "    time.sleep(0.1); return real(update, state, batch)\n"
        "loop.train_step = slow; cli.main()"
    )
    child, master = pty.fork()
    if child == 0:
        overrides = [*TINY, "training.steps=2000", "training.checkpoint_every=1000"]
        arguments = ["train", "ddpm_digits", "--run", str(tmp_path / "run"), *overrides]
        os.execv(sys.executable, [sys.executable, "-c", script, *arguments])
    seen = b""
    while b"/2000" not in seen or b" 0/2000" in seen[-400:]:
        seen += os.read(master, 4096)
    time.sleep(0.5)
    os.close(master)
    assert wait(child) == command.INTERRUPTED
    assert newest_step(tmp_path / "run") > 0


def test_a_pipe_that_nobody_reads_does_not_stop_a_training(tmp_path) -> None:
    script = "import sys, torch; torch.set_num_threads(1); from alphabar import cli; cli.main()"
    arguments = ["train", "ddpm_digits", "--run", str(tmp_path / "run"), *TINY, "training.log_every=1"]
    process = subprocess.Popen(
        [sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=120) == 0 and newest_step(tmp_path / "run") == 6
