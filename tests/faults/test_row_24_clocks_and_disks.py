"""Clocks that jump, and file systems that cannot do what others can."""

import errno
import itertools
import os
import time
from pathlib import Path

import pytest
import torch

from alphabar.errors import AlphabarError
from alphabar.runs import checkpoint
from alphabar.training import loop
from exact import SMALL, everything

CPU = torch.device("cpu")


def test_row_24_a_clock_that_goes_back_changes_nothing(tiny, quiet, tmp_path, monkeypatch) -> None:
    config = tiny(*SMALL, "training.checkpoint_every=auto", "training.sample_every=auto")
    assert loop.train(config, tmp_path / "steady", CPU, quiet)
    backwards = itertools.count(2e9, -3600)
    monkeypatch.setattr(time, "time", lambda: next(backwards))
    assert loop.train(config, tmp_path / "back", CPU, quiet)
    steady, back = everything(tmp_path / "steady"), everything(tmp_path / "back")
    assert {k: v for k, v in steady.items() if "/" in k} == {k: v for k, v in back.items() if "/" in k}


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EROFS, errno.EPERM])
def test_row_24_a_file_system_that_does_not_rename_costs_one_checkpoint_and_a_sentence(
    tiny, quiet, tmp_path, monkeypatch, number: int
) -> None:
    real = Path.rename

    def refused(path: Path, target: Path) -> Path:
        if target.name == "step-00000004":
            raise OSError(number, os.strerror(number), str(path))
        return real(path, target)

    monkeypatch.setattr(Path, "rename", refused)
    assert loop.train(tiny(*SMALL), tmp_path / "run", CPU, quiet)
    assert os.strerror(number) in quiet.file.getvalue()
    folder = tmp_path / "run" / "checkpoints"
    assert sorted(path.name for path in folder.iterdir()) == ["step-00000002", "step-00000006"]
    assert checkpoint.latest(folder).verify()


@pytest.mark.parametrize(("place", "words"), [("/proc/run", "cannot be written"), ("x" * 300, "File name too long")])
def test_row_24_a_place_that_cannot_be_written_is_a_sentence(tiny, quiet, tmp_path, place, words) -> None:
    with pytest.raises(AlphabarError, match=words) as caught:
        loop.train(tiny(*SMALL), tmp_path / place, CPU, quiet)
    assert "--run" in str(caught.value)
