"""A checkpoint is written beside the training, one at a time; what becomes of it is known at the next step."""

import io
import os
import signal
import threading
from pathlib import Path

import pytest
import torch
from rich.console import Console

from alphabar.errors import Exit, StorageError
from alphabar.runs import checkpoint, space
from alphabar.training import loop, saving
from alphabar.training.host_copy import HostCopy

CPU = torch.device("cpu")


def steps_kept(path: Path) -> list[int]:
    return [checkpoint.step_of(found) for found in checkpoint.steps(path / "checkpoints")]


def full_at(monkeypatch: pytest.MonkeyPatch, *saves: int) -> None:
    """The disk is full at these saves, counted from 1."""
    real, calls = space.check, iter(range(1, 10**6))

    def check(folder, files) -> None:
        if next(calls) in saves:
            raise OSError(28, "No space left on device")
        real(folder, files)

    monkeypatch.setattr(space, "check", check)


def test_steps_are_made_while_a_checkpoint_is_written_and_the_next_save_waits(
    tiny, quiet, tmp_path, monkeypatch
) -> None:
    """The first write, of step 2, lasts until step 4 is made; the save of step 4 waits for it."""
    real_step, real_sync, made, third = loop.train_step, checkpoint._sync, [], threading.Event()

    def step(update, state, batch):
        norm = real_step(update, state, batch)
        made.append((state.step, steps_kept(tmp_path / "run")))
        if state.step == 4:
            third.set()
        return norm

    def sync(path: Path) -> None:
        assert third.wait(60)
        real_sync(path)

    monkeypatch.setattr(loop, "train_step", step)
    monkeypatch.setattr(checkpoint, "_sync", sync)
    assert loop.train(tiny(), tmp_path / "run", CPU, quiet)
    assert made[2:4] == [(3, []), (4, [])] and steps_kept(tmp_path / "run") == [2, 4, 6]


def test_what_is_written_is_the_state_of_its_step_whatever_happens_meanwhile(
    tiny, quiet, tmp_path, monkeypatch
) -> None:
    real_step, real_commit, made = loop.train_step, saving.Saver._commit, threading.Event()

    def step(update, state, batch):
        norm = real_step(update, state, batch)
        made.set() if state.step >= 3 else None
        return norm

    def commit(*args) -> None:
        assert made.wait(60)
        real_commit(*args)

    assert loop.train(tiny(), tmp_path / "plain", CPU, quiet)
    monkeypatch.setattr(loop, "train_step", step)
    monkeypatch.setattr(saving.Saver, "_commit", commit)
    assert loop.train(tiny(), tmp_path / "late", CPU, quiet)
    for step_number in (2, 4, 6):
        late, plain = (
            checkpoint.read(tmp_path / name / "checkpoints" / f"step-{step_number:08d}") for name in ("late", "plain")
        )
        assert all(late.sha256[name] == plain.sha256[name] for name in plain.sha256 if name != "state.json")


def test_an_error_of_the_thread_is_raised_at_the_next_step(tiny, quiet, tmp_path, monkeypatch) -> None:
    def fails(*args) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(checkpoint, "save", fails)
    with pytest.raises(RuntimeError, match="a bug"):
        loop.train(tiny(), tmp_path / "run", CPU, quiet)
    assert not [thread for thread in threading.enumerate() if thread.name == "checkpoint"]


def test_a_full_disk_does_not_end_the_training_and_the_next_save_tries_again(tiny, tmp_path, monkeypatch) -> None:
    full_at(monkeypatch, 1, 2)
    console = Console(file=io.StringIO(), width=500)
    assert loop.train(tiny(), tmp_path / "run", CPU, console)
    assert steps_kept(tmp_path / "run") == [6]
    said = console.file.getvalue()
    assert said.count("could not be written: No space left on device. Training goes on, and the next save") == 2


def test_three_saves_in_a_row_that_the_disk_refuses_end_the_training_with_exit_6(
    tiny, quiet, tmp_path, monkeypatch
) -> None:
    full_at(monkeypatch, 2, 3, 4)
    with pytest.raises(StorageError, match=r"step-00000008 could not .*; earlier ones are untouched") as error:
        loop.train(tiny("training.steps=60"), tmp_path / "run", CPU, quiet)
    assert error.value.status == Exit.STORAGE == 6
    assert steps_kept(tmp_path / "run") == [2] and not list((tmp_path / "run" / "checkpoints").glob(".*"))


@pytest.mark.parametrize("why", ["interrupted", "over"])
def test_a_last_checkpoint_that_cannot_be_written_is_said_with_exit_6(tiny, tmp_path, monkeypatch, why) -> None:
    full_at(monkeypatch, *range(1, 100))
    real, console = loop.train_step, Console(file=io.StringIO(), width=500)

    def step(update, state, batch):
        if why == "interrupted" and state.step == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(update, state, batch)

    monkeypatch.setattr(loop, "train_step", step)
    with pytest.raises(StorageError, match="No space left"):
        loop.train(tiny("training.checkpoint_every=100"), tmp_path / "run", CPU, console)
    assert steps_kept(tmp_path / "run") == []
    assert ("interrupted at step 3, which is not saved" in console.file.getvalue()) == (why == "interrupted")


def test_metrics_that_a_full_disk_refuses_are_written_later(tiny, tmp_path, monkeypatch) -> None:
    from alphabar.errors import AlphabarError
    from alphabar.files import json_lines

    real, calls = json_lines.append, iter(range(100))

    def append(path, row) -> None:
        if path.name == "metrics.jsonl" and next(calls) in (0, 1):
            raise AlphabarError(f"Cannot write {path}: No space left on device.")
        real(path, row)

    monkeypatch.setattr(json_lines, "append", append)
    console = Console(file=io.StringIO(), width=500)
    assert loop.train(tiny(), tmp_path / "run", CPU, console)
    assert [row["step"] for row in json_lines.rows(tmp_path / "run" / "metrics.jsonl")] == [2, 4, 6]
    assert console.file.getvalue().count("The next line is written with those that are missing") == 2


def test_room_is_asked_for_before_a_byte_is_written(tmp_path, monkeypatch) -> None:
    files = {"network": {"a": torch.zeros(1000)}}
    space.check(tmp_path, files)
    real = os.statvfs(tmp_path)
    for change, why in (
        ({"f_bavail": 0}, r"it takes 0\.1 MB and 0\.0 MB are free"),
        ({"f_favail": 3}, "4 files and 3"),
    ):
        fields = {name: getattr(real, name) for name in dir(real) if name.startswith("f_")} | {"f_files": 100} | change
        with monkeypatch.context() as patch:
            patch.setattr(os, "statvfs", lambda folder, fields=fields: type("Disk", (), fields))
            with pytest.raises(StorageError, match=why):
                checkpoint.save(tmp_path / "checkpoints", 1, files, {"step": 1})
    assert not list((tmp_path / "checkpoints").iterdir())


def test_strict_refuses_an_older_checkpoint_and_renames_nothing(tiny, quiet, tmp_path) -> None:
    loop.train(tiny(), tmp_path / "run", CPU, quiet)
    (tmp_path / "run" / "checkpoints" / "step-00000006" / "network.safetensors").write_bytes(b"")
    before = sorted((tmp_path / "run").rglob("*"))
    with pytest.raises(checkpoint.CorruptError, match="step-00000006 is corrupt"):
        loop.train(tiny("training.strict_checkpoints=true"), tmp_path / "run", CPU, quiet)
    assert sorted((tmp_path / "run").rglob("*")) == before
    assert loop.train(tiny(), tmp_path / "run", CPU, quiet)


def test_copies_keep_values_and_strides_and_their_place() -> None:
    weight = torch.randn(4, 3, 3, 3).contiguous(memory_format=torch.channels_last)
    files = {"w": {"w": weight, "half": torch.randn(3).bfloat16(), "count": torch.tensor(3)}}
    keeper = HostCopy()
    keeper.prepare(files)
    first = keeper.of(files)
    keeper.finish()
    assert all(torch.equal(first["w"][key], tensor) for key, tensor in files["w"].items())
    assert first["w"]["w"].stride() == weight.stride()
    again = keeper.of({"w": {"w": weight * 2}})
    assert again["w"]["w"].data_ptr() == first["w"]["w"].data_ptr() and again["w"].keys() == {"w"}
