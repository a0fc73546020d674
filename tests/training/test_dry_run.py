"""`alphabar train --dry-run`: what it says of the time, and of what lies in the run directory."""

import re
import shutil
import sys
from pathlib import Path

import pytest
import torch
from rich.console import Console

import alphabar
from alphabar import build
from alphabar import config as c
from alphabar.api.train import rehearsed
from alphabar.runs.prospect import prospect
from alphabar.training import dry_run, loop
from alphabar.training.step import train_step
from tiny_settings import TINY

CPU = torch.device("cpu")


def lines(config: c.Config, path: Path) -> dict[str, str]:
    """The lines by their first words."""
    return {line[:13].strip(): line[13:] for line in dry_run(config, path, CPU)}


def snapshot(path: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("dry") / "run"
    loop.train(tiny(), path, CPU, Console(quiet=True))
    return path


def test_the_estimate_is_the_range_of_three_warm_steps_after_a_cold_one(tiny, tmp_path, monkeypatch) -> None:
    module = sys.modules["alphabar.training.dry_run"]  # the package has a function of that name
    seconds = iter([9.0, 2.0, 4.0, 3.0])
    clock = [0.0]

    def step(*args: object) -> torch.Tensor:
        clock[0] += next(seconds)
        return train_step(*args)

    monkeypatch.setattr(module, "train_step", step)
    monkeypatch.setattr(module.time, "perf_counter", lambda: clock[0])
    said = lines(tiny("training.steps=36"), tmp_path / "run")
    assert (
        "2.0 to 4.0 images/s (the range of 3 warm steps, 2.00 to 4.00 s; the cold one before took 9.00 s)"
        in (said["train step"])
    )
    assert said["training"].startswith("about 72.0 s to 2.4 min at that speed")


def test_a_time_budget_that_ends_the_run_first_is_said_with_the_steps_that_it_allows(tiny, tmp_path) -> None:
    said = lines(tiny("training.steps=90_000_000", "training.minutes=60"), tmp_path)
    assert re.match(r"training.minutes=60 ends it, after about [\d,]+( to [\d,]+)? steps", said["training"])
    timed = tiny("training.steps=none", "training.minutes=60", "optimizer.decay=constant")
    assert "training.minutes=60 ends it" in lines(timed, tmp_path)["training"]


def test_whether_the_run_directory_holds_a_run_is_said_and_nothing_is_written(tiny, trained, tmp_path) -> None:
    before = snapshot(trained)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.txt").touch()
    wider = tiny("network.channels=16")
    digits = tiny("training.steps=12")
    assert lines(tiny(), tmp_path / "new")["run"] == f"{tmp_path / 'new'} is new"
    assert "holds this run; it would resume at step 6" in lines(digits, trained)["run"]
    assert "holds another run, at step 6 (network.channels: 8 -> 16)" in lines(wider, trained)["run"]
    assert "holds other files" in lines(tiny(), tmp_path / "mine")["run"]
    assert snapshot(trained) == before and not (tmp_path / "new").exists()


def test_a_run_on_other_images_is_said_to_be_another(tiny, trained) -> None:
    facts = build.image_facts(build.image_set(tiny().data))
    others = facts.model_copy(update={"fingerprint": "0" * 64})
    assert "this run" in prospect(trained, tiny(), facts) and "other images" in prospect(trained, tiny(), others)


def test_a_change_that_is_allowed_is_said_to_resume(tiny, trained) -> None:
    changed = {"optimizer.betas": (0.8, 0.99), "training.steps": 8}
    said = {line[:13].strip(): line[13:] for line in rehearsed(trained, overrides=changed, allow=["optimizer.betas"])}
    assert "it would resume at step 6, with optimizer.betas: [0.9, 0.999] -> [0.8, 0.99]" in said["run"]


def test_a_run_that_resumes_is_not_said_to_start_from_other_weights(tiny, trained, tmp_path) -> None:
    said = list(rehearsed("ddpm_digits", overrides=TINY, from_run=trained, run=tmp_path / "run"))
    assert any(line.startswith("weights ") for line in said)
    alphabar.train("ddpm_digits", overrides=TINY, from_run=trained, run=tmp_path / "run", device="cpu")
    assert not any(line.startswith("weights ") for line in rehearsed(tmp_path / "run"))


def test_a_damaged_or_exported_run_is_said_to_be_none_that_resumes(tiny, trained, tmp_path) -> None:
    shutil.copytree(trained, tmp_path / "damaged")
    (newest := max((tmp_path / "damaged" / "checkpoints").iterdir()) / "state.json").write_text("{")
    assert newest.exists() and "cannot be resumed" in lines(tiny(), tmp_path / "damaged")["run"]
    alphabar.export(trained, tmp_path / "small")
    assert "exported run" in lines(tiny(), tmp_path / "small")["run"]
