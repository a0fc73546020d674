"""Processes that share a job, are killed and are started again in another number: the images are those of one."""

import hashlib
import os
import signal
import time
from pathlib import Path

import pytest
import torch
from rich.console import Console

import alphabar
from alphabar.training import loop
from ranks import forked

NUM = 60


def hashes(folder: Path) -> dict[str, str]:
    return {png.name: hashlib.sha256(png.read_bytes()).hexdigest() for png in folder.glob("seed-*.png")}


@pytest.mark.heavy
def test_a_job_that_is_killed_anywhere_is_finished_by_any_number_of_processes(tiny, quiet: Console, tmp_path) -> None:
    run, shared, alone = tmp_path / "run", tmp_path / "shared", tmp_path / "alone"
    assert loop.train(tiny(), run, torch.device("cpu"), quiet)

    def work(out: Path) -> object:
        return alphabar.sample(run, NUM, out=out, film="none", batch_size=2, steps=20, sampler="ddim", eta=1.0)

    def kill(processes: list[int]) -> None:
        there, deadline = len(hashes(shared)), time.monotonic() + 60
        while len(hashes(shared)) < min(there + 4, NUM - 6) and time.monotonic() < deadline:
            time.sleep(0.002)
        for process in processes:
            os.kill(process, signal.SIGKILL)

    for processes in (2, 3, 1, 2):
        assert -signal.SIGKILL in forked(processes, lambda: work(shared), kill, joined=False)
    left = NUM - len(hashes(shared))
    assert left > 0
    assert forked(3, lambda: work(shared), joined=False) == [0, 0, 0]
    work(alone)
    assert len(hashes(alone)) == NUM and hashes(shared) == hashes(alone)
