"""`alphabar train` as a process that gets a signal, and whether it tells the truth about what it did."""

import os
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from alphabar.runs import checkpoint
from alphabar.terminal.signals import SAVE
from processes import forked, wait, wait_for
from tiny_settings import TINY

SAVED = re.compile(r"interrupted and saved at step (\d+)|saved the checkpoint of step (\d+) \(SIGUSR2\)")


def newest_step(path: Path) -> int:
    """The step of the newest checkpoint, verified; 0 if there is none."""
    newest = checkpoint.latest(path / "checkpoints")
    return int(newest.state["step"]) if newest else 0


def command_line(path: Path, steps: int, *more: str) -> Callable[[], object]:
    """`alphabar train` as a process would run it, with `more` settings."""
    overrides = [*TINY, f"training.steps={steps}", "training.checkpoint_every=7", "training.log_every=3", *more]

    def work() -> object:
        from alphabar import cli

        torch.set_num_threads(1)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.argv = ["alphabar", "train", "ddpm_digits", "--run", str(path), *overrides]
        return cli.main()

    return work


def signalled_run(folder: Path, number: int, pause: float) -> tuple[int, str, int]:
    """The exit status, the output and the newest checkpoint of a training that gets a signal after a pause."""
    output, path = folder / "output", folder / "run"
    child = forked(command_line(path, 60), output)
    wait_for("run directory", output)
    time.sleep(pause)
    os.kill(child, number)
    return wait(child), output.read_text(errors="replace"), newest_step(path)


def check(number: int, status: int, said: str, newest: int, steps: int = 60) -> str:
    """Whether the truth was told about a run of so many steps; returns how it ended."""
    assert "Traceback" not in said, said
    saved = [int(next(filter(None, match.groups()))) for match in SAVED.finditer(said)]
    if number == SAVE:
        assert status == 0 and newest == steps, said
        assert all(step <= steps for step in saved)
        return "saved and continued" if saved else "after the last step"
    if status == 4:
        sentences = (f"interrupted and saved at step {newest}", "came while no step was made")
        assert any(sentence in said for sentence in sentences) or ("before the first step" in said and newest == 0)
        return "saved" if newest else "before the first step"
    if status == 0:
        assert newest == steps, said
        return "finished"
    assert status == (130 if number == signal.SIGINT else -number), (status, said)
    assert "finishing this step and saving" not in said, said
    return "before or after training"
