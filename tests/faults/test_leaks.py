"""A long run needs no more memory and no more open files than a short one."""

import gc
import json
import os
from pathlib import Path

import pytest
import torch
from counts import STEPS
from rich.console import Console

from alphabar.training import loop
from exact import SMALL
from processes import forked, wait

PAGE = os.sysconf("SC_PAGE_SIZE") / 2**20


def resident() -> float:
    """MiB of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


@pytest.mark.heavy
def test_steps_and_saves_leave_neither_memory_nor_open_files_behind(tiny, tmp_path, monkeypatch) -> None:
    """Less than 1 MiB in 1,000 steps and 20 saves, by the slope of the least squares after a tenth of the run."""
    lengths = (
        "training.batch_size=2",
        f"training.steps={STEPS}",
        "training.checkpoint_every=50",
        "training.log_every=10",
    )
    config, note, real, rows = tiny(*SMALL, *lengths), tmp_path / "note", loop.train_step, []

    def step(update: object, state: loop.TrainState, batch: object) -> torch.Tensor:
        if state.step % 25 == 24:
            gc.collect()
            rows.append((state.step, resident(), len(list(Path("/proc/self/fd").iterdir()))))
        return real(update, state, batch)

    def work() -> None:
        loop.train(config, tmp_path / "run", torch.device("cpu"), Console(quiet=True))
        note.write_text(json.dumps(rows))

    monkeypatch.setattr(loop, "train_step", step)
    assert wait(forked(work, tmp_path / "output")) == 0, (tmp_path / "output").read_text()
    steps, memory, files = torch.tensor(json.loads(note.read_text()), dtype=torch.float64).T
    late = steps > STEPS / 10
    x, y = steps[late] - steps[late].mean(), memory[late] - memory[late].mean()
    slope = 1000 * float((x * y).sum() / (x * x).sum())
    print(f"{slope:+.3f} MiB in 1,000 steps; {files.min():.0f} to {files.max():.0f} open files")
    assert len(set(files[late].tolist())) == 1
    assert slope < max(1.0, 2000 / STEPS)  # the allocator's steps of a MiB or two stand out in a short run
