"""Two trainings never write into one run directory, and the second says at once who has it."""

import os
import signal
import socket
import time

import pytest

import alphabar
from alphabar.errors import AlphabarError
from alphabar.runs import lock
from processes import forked, wait, wait_for
from tiny_settings import TINY


def test_row_17_a_second_training_is_refused_within_a_second_by_the_first_ones_pid_and_host(tmp_path) -> None:
    """Before images are read: how many there are does not matter."""
    run, output = tmp_path / "run", tmp_path / "output"
    endless = [*TINY, "training.steps=1000000", "training.checkpoint_every=1000"]
    first = forked(lambda: alphabar.train("ddpm_digits", run=run, overrides=endless), output)
    try:
        wait_for('"step": 2,', run / "metrics.jsonl")
        before = {path for path in run.rglob("*") if path.name != "metrics.jsonl"}
        began = time.monotonic()
        with pytest.raises(AlphabarError) as caught:
            alphabar.train("ddpm_digits", run=run, overrides=endless)
        assert time.monotonic() - began < 1
        assert f"Another process ({first} on {socket.gethostname()}) is training in {run}" in str(caught.value)
        assert {path for path in run.rglob("*") if path.name != "metrics.jsonl"} >= before
    finally:
        os.kill(first, signal.SIGKILL)
        assert wait(first) == -signal.SIGKILL
    assert alphabar.train("ddpm_digits", run=run, overrides=[*TINY, "training.steps=2"]).finished  # no stale lock


@pytest.mark.parametrize("note", [b"", b"\x1b[2J on 1", b"process 1 on [red]", b"\xff" * 10_000])
def test_row_17_whatever_the_lock_says_is_survived(tmp_path, note) -> None:
    with lock.locked(tmp_path):
        (tmp_path / ".lock").write_bytes(note)
        with pytest.raises(AlphabarError, match=r"^Another process is training in"):
            lock.check_free(tmp_path)
        with pytest.raises(AlphabarError, match=r"^Another process is training in"), lock.locked(tmp_path):
            pass


def test_row_17_a_look_at_the_lock_keeps_nobody_out(tmp_path) -> None:
    with lock.locked(tmp_path):
        pass
    with (tmp_path / ".lock").open("rb") as file:
        lock.fcntl.flock(file, lock.fcntl.LOCK_SH)
        looking = forked(lambda: time.sleep(0.1))
    with lock.locked(tmp_path):
        wait(looking)
    lock.check_free(tmp_path)
