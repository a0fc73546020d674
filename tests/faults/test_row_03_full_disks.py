"""A disk that is full or cannot be written costs no earlier checkpoint, leaves nothing half, and is a sentence."""

import io
import os
import threading
from pathlib import Path

import pytest
import torch
from disks import as_nobody, close, disk, remount
from rich.console import Console

from alphabar.errors import AlphabarError, Exit, StorageError
from alphabar.runs import checkpoint, space
from alphabar.runs.model import load_model
from alphabar.sampling.export import export
from alphabar.sampling.pipeline import Pipeline
from alphabar.sampling.to_folder import Plan, fill
from alphabar.training import loop

CPU = torch.device("cpu")
MB = 1 << 20
WHOLE = {"network": {"w": torch.arange(MB // 4, dtype=torch.float32)}}
"""A checkpoint of 1 MB."""


def save(folder: Path, step: int) -> Path:
    return checkpoint.save(folder, step, WHOLE, {"step": step})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("is_asked", [True, False], ids=["asked ahead", "found while writing"])
@pytest.mark.parametrize("part", [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85])
def test_row_03_a_disk_that_is_full_leaves_the_checkpoint_before_and_no_part_of_the_next(
    tmp_path, monkeypatch, part: float, is_asked: bool
) -> None:
    """20 of 20. The disk has room for one checkpoint and a part of the next."""
    if not is_asked:
        monkeypatch.setattr(space, "check", lambda folder, files: None)
    with disk(tmp_path / "disk", f"size={int((1 + part) * (MB + 72 * 1024))}") as folder:
        save(folder, 1)
        with pytest.raises(StorageError, match=r"No space left on device.*; earlier ones are untouched"):
            save(folder, 2)
        assert names(folder) == ["step-00000001"]
        read = checkpoint.read(folder / "step-00000001").verify().tensors("network")
        assert torch.equal(read["w"], WHOLE["network"]["w"])


@pytest.mark.parametrize("is_asked", [True, False], ids=["asked ahead", "found while writing"])
@pytest.mark.parametrize("inodes", [6, 7, 8, 9])
def test_row_03_a_disk_that_takes_no_more_files_is_the_same(tmp_path, monkeypatch, inodes: int, is_asked: bool) -> None:
    """A checkpoint is a folder and three files, and the disk is a folder too."""
    if not is_asked:
        monkeypatch.setattr(space, "check", lambda folder, files: None)
    with disk(tmp_path / "disk", f"size=20m,nr_inodes={inodes}") as folder:
        save(folder, 1)
        if inodes < 9:
            with pytest.raises(StorageError, match=r"No space left on device.*; earlier ones are untouched"):
                save(folder, 2)
            assert names(folder) == ["step-00000001"]
        else:
            save(folder, 2)


@pytest.mark.heavy
def test_row_03_a_training_goes_on_when_the_disk_is_full_and_saves_when_it_is_not(tiny, tmp_path, monkeypatch) -> None:
    console, real = Console(file=io.StringIO(), width=500), loop.train_step
    with disk(tmp_path / "disk", "size=20m") as folder:
        rest = folder / "rest"

        def step(update, state, batch):
            saves = [thread for thread in threading.enumerate() if thread.name == "checkpoint"]
            for thread in saves:
                thread.join()
            if state.step == 2:
                with rest.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
                    while True:
                        file.write(bytes(4096))
            elif state.step == 6:
                rest.unlink()
            return real(update, state, batch)

        monkeypatch.setattr(loop, "train_step", step)
        assert loop.train(tiny("training.steps=8", "training.checkpoint_every=2"), folder / "run", CPU, console)
        steps = [checkpoint.step_of(path) for path in checkpoint.steps(folder / "run" / "checkpoints")]
        assert steps[-1] == 8 and not {4, 6} & set(steps)
        assert not list((folder / "run" / "checkpoints").glob(".*"))
        assert len((folder / "run" / "metrics.jsonl").read_text().splitlines()) == 4
    assert "Training goes on, and the next save tries again" in console.file.getvalue()


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_row_03_a_disk_that_becomes_read_only_is_a_sentence(tiny, quiet, tmp_path, monkeypatch, when: str) -> None:
    real = loop.train_step
    with disk(tmp_path / "disk", "size=20m") as folder:
        assert loop.train(tiny("training.steps=2"), folder / "run", CPU, quiet)

        def step(update, state, batch):
            if state.step == 3:
                close(folder / "run" / "checkpoints")
            return real(update, state, batch)

        if when == "before":
            remount(folder, "ro")
        monkeypatch.setattr(loop, "train_step", step)
        with pytest.raises(AlphabarError, match="Read-only file system") as error:
            loop.train(tiny(), folder / "run", CPU, quiet)
        assert error.value.status == (Exit.MISTAKE if when == "before" else Exit.STORAGE)
        assert names(folder / "run" / "checkpoints") == ["step-00000002"]


def test_row_03_the_folder_of_another_user_is_a_sentence(tiny, quiet, tmp_path) -> None:
    for folder in [tmp_path, *list(tmp_path.parents)[:3]]:
        if os.geteuid() == 0 and folder != Path("/tmp"):
            folder.chmod(0o755)
    assert loop.train(tiny("training.steps=2"), tmp_path / "run", CPU, quiet)
    (samples := tmp_path / "run" / "generated").mkdir()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with (
        as_nobody(),
        pytest.raises(AlphabarError, match=r"cannot be written \(Permission denied\); choose one with --run"),
    ):
        loop.train(tiny(), tmp_path / "run", CPU, quiet)
    with as_nobody(), pytest.raises(StorageError, match="Permission denied"):
        save(tmp_path / "run" / "checkpoints", 9)
    pipeline = Pipeline.of(load_model(tmp_path / "run"))
    with (
        as_nobody(),
        pytest.raises(AlphabarError, match=r"cannot be written \(Permission denied\); choose another --out"),
    ):
        fill(Plan.of(pipeline, pipeline.job(range(3)), samples))
    with as_nobody(), pytest.raises(AlphabarError, match=r"out cannot be written .* choose another folder"):
        export(tmp_path / "run", tmp_path / "run" / "out")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
