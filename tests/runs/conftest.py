"""A run of three checkpoints, and a copy of it to spoil."""

import shutil
from pathlib import Path

import pytest

from tiny_settings import TINY


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with the checkpoints of steps 2, 4 and 6."""
    import torch
    from rich.console import Console

    from alphabar import config as c
    from alphabar.training import loop

    path = tmp_path_factory.mktemp("hostile") / "run"
    loop.train(c.load("ddpm_digits", TINY), path, torch.device("cpu"), Console(quiet=True))
    return path


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained, tmp_path / "run")
    return tmp_path / "run"
