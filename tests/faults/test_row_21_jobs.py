"""SIGKILL at random moments of jobs that make many images, or measure them."""

import hashlib
import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from counts import JOB_KILLS
from rich.console import Console

from alphabar import cli
from alphabar.config import Config
from alphabar.training import loop
from exact import SMALL
from processes import forked, killed_after, wait

IMAGES = min(2000, 100 * JOB_KILLS)
EVALUATIONS = -(-JOB_KILLS // 5)


@pytest.fixture(scope="module")
def run(tiny: Callable[..., Config], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trained") / "run"
    loop.train(tiny(*SMALL, "training.steps=2"), path, torch.device("cpu"), Console(quiet=True))
    return path


def command(*words: object) -> Callable[[], object]:
    def work() -> object:
        torch.set_num_threads(1)
        sys.argv = ["alphabar", *map(str, words)]
        return cli.main()

    return work


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    assert wait(forked(work)) == 0
    return time.perf_counter() - began


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("seed-*.png")}


def test_row_21_a_sampling_job_that_is_killed_and_restarted_with_other_batches_ends_with_the_same_images(
    run, tmp_path
) -> None:
    """None is missing, doubled or cut, and none that was finished is made again."""
    chance, whole, cut = random.Random(0), tmp_path / "whole", tmp_path / "cut"

    def job(folder: Path, batch: int) -> Callable[[], object]:
        return command("sample", run, "--num", IMAGES, "--batch-size", batch, "--out", folder)

    took = seconds(job(whole, 50))
    expected = hashes(whole)
    assert len(expected) == len(set(expected.values())) == IMAGES
    kills, finished = 0, dict[str, int]()
    while kills < JOB_KILLS and killed_after(
        chance.uniform(0, 1.2 * took / JOB_KILLS), job(cut, chance.choice((20, 50, 64)))
    ):
        kills += 1
        assert hashes(cut).items() <= expected.items()
        now = {path.name: path.stat().st_mtime_ns for path in cut.glob("seed-*.png")}
        assert finished.items() <= now.items()
        finished = now
    assert kills >= JOB_KILLS / 2
    seconds(job(cut, 64))
    assert hashes(cut) == expected
    assert {path.name for path in cut.iterdir()} == {path.name for path in whole.iterdir()}
    assert all((cut / name).read_bytes() == (whole / name).read_bytes() for name in ("grid.png", "samples.npz"))


@pytest.mark.heavy
def test_row_21_an_evaluation_that_is_killed_and_restarted_measures_the_same(run, tmp_path) -> None:
    chance, rows = random.Random(1), run / "evaluations.jsonl"
    evaluate = command("evaluate", run, "--count", 100, "--metrics", "fd", "--features", "fashion-cnn")
    output = tmp_path / "output"
    took = seconds(evaluate)
    (folder,) = (run / "generated").iterdir()
    for _ in range(EVALUATIONS):
        for path in folder.iterdir():
            path.unlink()
        killed_after(chance.uniform(0, took), evaluate, output)
    seconds(evaluate)
    measured = [json.loads(line) for line in rows.read_text().splitlines()]
    assert len({json.dumps(row["metrics"]) for row in measured}) == 1 and len(measured) >= 2
