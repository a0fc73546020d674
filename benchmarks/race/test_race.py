"""The logic of the race: python -m pytest benchmarks/race."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from benchmarks.race import cpu_clock, frozen, peer, picture, table
from benchmarks.race.task import Task
from PIL import Image

from alphabar import config
from alphabar.images import save_npz

SIDES = ["alphabar-unconditional", "diffusers"]


def task(folder: Path, side: str = "diffusers", minutes: float = 10.0) -> Task:
    return Task(str(folder / "seed0" / side), "ddpm_digits", 0, minutes, 16, ("ddim-50",), None)


def finish(folder: Path, side: str, seed: int, fd: float) -> None:
    """Write what a finished and scored side leaves behind."""
    place = folder / f"seed{seed}" / side
    place.mkdir(parents=True)
    done = {"parameters": 5, "batch": 16, "images": 32, "cpu_minutes": 11.0, "samplers": {"ddim-50": 7.0}}
    (place / "done.json").write_text(json.dumps(done))
    score = {
        "n_fake": 16,
        "reference": {"n": 50, "split": "test"},
        "metrics": {"FD-x": {"value": fd, "interval": [fd - 1, fd + 1], "floor": {}}},
    }
    (place / "ddim-50.score.json").write_text(json.dumps(score))


def test_a_task_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "task.json").write_text(task(tmp_path).text())
    assert Task.read(str(tmp_path / "task.json")) == task(tmp_path)


def test_a_race_on_a_folder_keeps_one_plan_that_is_a_recipe(tmp_path: Path) -> None:
    for n in range(4):
        Image.new("RGB", (32, 32), (60 * n, 0, 0)).save(tmp_path / f"{n}.png")
    options = ("folder", str(tmp_path), None, 0.1)
    recipe = frozen.freeze(tmp_path / "out", *options, ["optimizer.clip_norm=none"])
    planned = config.load(recipe)
    assert not planned.training.planned and planned.optimizer.clip_norm is None
    assert replace(task(tmp_path), recipe=recipe).images().shape == (3, 32, 32)
    assert frozen.freeze(tmp_path / "out", *options, ["optimizer.clip_norm=none"]) == recipe
    with pytest.raises(SystemExit, match="other options"):
        frozen.freeze(tmp_path / "out", *options, [])


def test_the_minutes_of_alphabar_are_those_of_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks: list[float] = []
    monkeypatch.setattr(cpu_clock, "main", lambda: clocks.extend((time.perf_counter(), time.process_time())))
    cpu_clock.run()
    assert clocks[0] == pytest.approx(clocks[1], abs=0.01)


def test_the_peers_get_what_alphabar_used_beyond_the_budget(tmp_path: Path) -> None:
    assert peer.budget(task(tmp_path)) == 600
    finish(tmp_path, "alphabar-unconditional", 0, 1.0)  # used 11 minutes
    assert peer.budget(task(tmp_path)) == 660
    assert peer.budget(task(tmp_path, minutes=12.0)) == 720


def test_ratios_are_seed_against_seed(tmp_path: Path) -> None:
    for seed, (ours, theirs) in enumerate([(1.0, 2.0), (3.0, 4.0)]):
        finish(tmp_path, "alphabar-unconditional", seed, ours)
        finish(tmp_path, "diffusers", seed, theirs)
    finish(tmp_path, "diffusers", 2, 9.0)  # a seed that alphabar lacks
    table.write(tmp_path, SIDES)
    first, second = ((tmp_path / "table.md").read_text()).splitlines()[2:]  # and no row of floors, which are not known
    assert "| alphabar-unconditional | ddim-50 | 2 |" in first and "2.000 ± 1.000" in first
    assert "| diffusers | ddim-50 | 3 |" in second and second.endswith("| 0.625 ± 0.125 |")


def test_the_picture_shows_each_side_and_real_images(tmp_path: Path) -> None:
    finish(tmp_path, "diffusers", 0, 1.0)
    save_npz(tmp_path / "seed0" / "diffusers" / "ddim-50.npz", torch.zeros(16, 1, 8, 8, dtype=torch.uint8))
    picture.write(tmp_path, [("diffusers", "ddim-50")], task(tmp_path), "train")
    assert Image.open(tmp_path / "samples.png").width > 100


def test_the_learning_rate_of_diffusers_warms_up_and_ends_at_0(tmp_path: Path) -> None:
    side: Any = pytest.importorskip("benchmarks.race.diffusers_side")
    from diffusers.optimization import get_scheduler

    network = side.Diffusers(task(tmp_path), task(tmp_path).images())
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = get_scheduler("cosine", optimizer, num_warmup_steps=500, num_training_steps=2000)
    for network.updates in range(2001):
        assert network.pace(network.updates / 2000) == pytest.approx(theirs.get_last_lr()[0], abs=5e-3)
        optimizer.step()
        theirs.step()


def test_diffusers_samples_as_its_pipeline_does(tmp_path: Path) -> None:
    side: Any = pytest.importorskip("benchmarks.race.diffusers_side")
    ours = side.Diffusers(task(tmp_path), task(tmp_path).images())
    scheduler = side.diffusers.DDIMScheduler.from_config(ours.scheduler.config)
    pipeline = side.diffusers.DDIMPipeline(ours.network.eval(), scheduler)
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(7)
    theirs = pipeline(batch_size=2, generator=generator, num_inference_steps=4, output_type="np").images
    torch.manual_seed(7)
    with torch.no_grad():
        images = (ours.sample(scheduler, 4, 2) / 2 + 0.5).clamp(0, 1)
    assert torch.allclose(images, torch.from_numpy(theirs).permute(0, 3, 1, 2), rtol=0, atol=1e-5)
