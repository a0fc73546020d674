"""Polite signals at random moments: start-up, steps, saves, previews, evaluations, curves at the end."""

import os
import random
import time
from pathlib import Path

import pytest
from counts import SIGNALS, parts

from alphabar.terminal.signals import EXIT, SAVE
from exact import SCORED, SMALL, everything
from processes import forked, wait
from signalled import check, command_line, newest_step

STEPS = 20
SETTINGS = (
    *SCORED,
    *SMALL,
    "evaluation.every=8",
    "training.sample_every=6",
    "training.keep_checkpoints=20",
    f"training.steps={STEPS}",
    "training.checkpoint_every=7",
)
ALL = (*EXIT, SAVE)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, full_ends: None) -> tuple[Path, float]:
    """A run that nothing interrupted, and its seconds."""
    path = tmp_path_factory.mktemp("whole")
    for name in ("first", "warm"):
        began = time.perf_counter()
        assert wait(forked(command_line(path / name, STEPS, *SETTINGS), path / "output")) == 0
    return path / "warm", time.perf_counter() - began


def learnt(path: Path) -> dict[str, object]:
    """What a run leaves behind, less which checkpoints it keeps: a signal adds one."""
    return {name: content for name, content in everything(path).items() if name != "checkpoints"}


@pytest.mark.heavy
@pytest.mark.parametrize(("part", "count"), [*enumerate(parts(SIGNALS, 5))])
def test_row_16_a_signal_at_a_random_moment_is_obeyed_and_the_run_goes_on_exactly(tmp_path, whole, part, count) -> None:
    """The truth is told about what was saved, the status is 4, and the resumed run ends as if nothing had happened."""
    expected, chance = learnt(whole[0]), random.Random(part)
    for k in range(count):
        number, folder = ALL[(part + k) % len(ALL)], tmp_path / str(k)
        folder.mkdir()
        train = command_line(folder / "run", STEPS, *SETTINGS)
        child = forked(train, folder / "output")
        time.sleep(chance.uniform(0, whole[1]))
        os.kill(child, number)
        status, said = wait(child), (folder / "output").read_text(errors="replace")
        if "run directory" in said:  # before that, little more than Python's own start is over
            check(number, status, said, newest_step(folder / "run"), STEPS)
        assert wait(forked(train, folder / "again")) == 0
        assert learnt(folder / "run") == expected
