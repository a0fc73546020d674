"""SIGKILL before each change of the file system that a save and the removal of old checkpoints make."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from counts import EVENTS
from file_events import FileEvents
from rich.console import Console

from alphabar.config import Config
from alphabar.runs import checkpoint
from alphabar.runs.run import Best, Run, read_best, write_best
from alphabar.training import loop
from exact import SMALL, everything
from processes import forked, killed, wait

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def config(tiny: Callable[..., Config]) -> Config:
    return tiny(*SMALL, "training.keep_checkpoints=1", "optimizer.decay=constant")


@pytest.fixture(scope="module")
def before(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose best checkpoint is that of step 2, and whose newest, of step 4, is removed after the next save."""
    path = tmp_path_factory.mktemp("before") / "run"
    for steps in (2, 4):
        shorter = config.model_copy(update={"training": config.training.model_copy(update={"steps": steps})})
        loop.train(shorter, path, CPU, Console(quiet=True))
        if steps == 2:
            write_best(Run(path), Best(2, "FD", 1.0, {}))
    assert [checkpoint.step_of(p) for p in checkpoint.steps(path / "checkpoints")] == [2, 4]
    return path


def trained(config: Config, path: Path, note: Path, fatal: int | None) -> Callable[[], None]:
    """A training that dies before change `fatal` of its checkpoints, or else notes all changes."""

    def work() -> None:
        events = FileEvents(path / "checkpoints", fatal)
        loop.train(config, path, CPU, Console(quiet=True))
        note.write_text("\n".join(events.names))

    return work


def test_rows_02_and_26_a_kill_before_any_change_of_the_checkpoints_loses_neither_the_best_nor_the_newest(
    config, quiet, tmp_path, before
) -> None:
    """And each run that is killed so, and resumed, ends as one that was not: row 1."""
    whole, path, note = tmp_path / "whole", tmp_path / "run", tmp_path / "events"
    shutil.copytree(before, whole)
    assert wait(forked(trained(config, whole, note, None))) == 0
    expected, names = everything(whole), note.read_text().split()
    assert {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "fsync", "serialize_file"} <= set(names)
    total = len(note.read_text().splitlines())
    stride = max(1, -(-total // EVENTS))
    for fatal in range(1 + total % stride, total + 1, stride):
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(before, path)
        assert killed(trained(config, path, note, fatal)), fatal
        newest = checkpoint.latest(path / "checkpoints")
        assert newest.verify().state["step"] in (4, 6), fatal
        assert read_best(Run(path)).step == 2
        checkpoint.read(path / "checkpoints" / "step-00000002").verify()
        assert loop.train(config, path, CPU, quiet)
        assert everything(path) == expected, fatal
        assert not list((path / "checkpoints").glob(".*")), fatal
