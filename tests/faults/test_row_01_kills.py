"""SIGKILL at random moments: start-up, steps, saves, previews, evaluations, curves at the end."""

import random
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from counts import KILLS, parts
from rich.console import Console

from alphabar.config import Config
from alphabar.runs import checkpoint
from alphabar.training import loop
from exact import EVERYTHING, SCORED, SMALL, everything
from processes import killed_after

CPU = torch.device("cpu")
EVERY = 5
LENGTH = (*SMALL, "training.steps=30", f"training.checkpoint_every={EVERY}", "training.keep_checkpoints=2")
SETTINGS = {
    "previews": (*EVERYTHING, *LENGTH, "training.sample_every=13"),
    "evaluations": (*SCORED, *LENGTH, "evaluation.every=10", "evaluation.best=recall", "training.sample_every=0"),
}


@pytest.fixture(scope="module")
def whole(tiny: Callable[..., Config], tmp_path_factory: pytest.TempPathFactory, full_ends: None):
    """What a run that nothing interrupted leaves behind, and its seconds."""
    results: dict[str, tuple[dict[str, object], float]] = {}

    def of(name: str) -> tuple[dict[str, object], float]:
        if name not in results:
            loop.train(
                tiny(*SETTINGS[name], "training.steps=1"), tmp_path_factory.mktemp("warm"), CPU, Console(quiet=True)
            )
            path, began = tmp_path_factory.mktemp("whole") / "run", time.perf_counter()
            assert loop.train(tiny(*SETTINGS[name]), path, CPU, Console(quiet=True))
            results[name] = everything(path), time.perf_counter() - began
        return results[name]

    return of


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], int]:
    """The last step that was made, by whatever process; each notes it when it has made one."""
    real, path = loop.train_step, tmp_path / "made"

    def step(update: object, state: loop.TrainState, batch: object) -> torch.Tensor:
        norm = real(update, state, batch)
        with path.open("ab") as file:
            file.write(struct.pack("q", state.step))
        return norm

    monkeypatch.setattr(loop, "train_step", step)
    return lambda: struct.unpack("q", path.read_bytes()[-8:])[0] if path.exists() else 0


@pytest.mark.parametrize(("part", "kills"), [*enumerate(parts(KILLS, 10))])
def test_row_01_a_run_that_is_killed_at_random_moments_ends_as_if_nothing_had_happened(
    tiny, quiet, tmp_path, whole, made, part: int, kills: int
) -> None:
    """Weights, averages, optimizer, metrics and previews are equal to the bit.

    A kill costs at most two intervals: one, and the steps beside which its checkpoint was being written, which are at
    most another, because the next one waits for it.
    """
    name = list(SETTINGS)[part % len(SETTINGS)]
    (expected, seconds), config, chance = whole(name), tiny(*SETTINGS[name]), random.Random(part)
    left, number = kills, 0
    while left > 0:
        path, saved = tmp_path / str(number), 0
        number += 1
        (tmp_path / "made").unlink(missing_ok=True)
        while left > 0 and killed_after(
            chance.uniform(0, seconds / 4), lambda to=path: loop.train(config, to, CPU, quiet)
        ):
            left -= 1
            newest = checkpoint.latest(path / "checkpoints") if path.exists() else None
            step = newest.verify().state["step"] if newest else 0
            assert max(saved, made() - 2 * EVERY) <= step <= made()
            saved = step
        assert loop.train(config, path, CPU, quiet)
        assert everything(path) == expected
