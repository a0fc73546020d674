"""Runs that earlier versions of alphabar wrote, kept in golden/, are read by this one.

A version that changes what a run holds adds a run of its own there, made with the settings in 0.1/config.json.
"""

import shutil
from pathlib import Path

import pytest

import alphabar
from alphabar.runs import checkpoint

VERSIONS = sorted((Path(__file__).parent / "golden").iterdir())


@pytest.mark.parametrize("version", VERSIONS, ids=lambda path: path.name)
def test_row_25_a_run_of_an_earlier_version_is_sampled_and_resumed(version: Path, tmp_path: Path) -> None:
    run = shutil.copytree(version, tmp_path / "run")
    newest = checkpoint.latest(run / "checkpoints").verify()
    assert newest.state["step"] == 4 and set(newest.names()) >= {"network", "ema-0.995", "optimizer"}
    assert alphabar.load(run, device="cpu").sample(2, steps=2).tensor.shape == (2, 1, 8, 8)
    assert alphabar.train(run, overrides=["training.steps=6"]).finished
    assert alphabar.load(run, device="cpu").loaded.step == 6
