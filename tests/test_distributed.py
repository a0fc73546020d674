"""Processes that torchrun starts agree; one process alone needs none of it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from alphabar import distributed
from alphabar.errors import AlphabarError
from ranks import ALPHABAR, forked, two_ranks
from tiny_settings import TINY


def test_rows_of_processes_are_joined_in_their_order_however_many_each_has() -> None:
    def work() -> None:
        own = torch.full((distributed.rank() + 1, 2), distributed.rank(), dtype=torch.uint8)
        everyone = [0, 1, 1, 2, 2, 2]
        assert distributed.gathered(own)[:, 0].tolist() == everyone
        assert distributed.in_order(own, [1, 2, 3])[:, 1].tolist() == everyone
        assert distributed.highest(distributed.rank(), -distributed.rank()) == (2, 0)
        assert distributed.of_main({"rank": distributed.rank()}) == {"rank": 0}
        rows = distributed.shares(7)
        assert [len(part) for part in rows] == [2, 2, 3] and rows[distributed.rank()] == distributed.share(7)
        with distributed.alone():
            assert (distributed.world_size(), distributed.rank(), distributed.launched()) == (1, 0, 3)

    assert forked(3, work) == [0, 0, 0]


def test_one_process_gathers_its_own() -> None:
    rows = torch.arange(6.0).reshape(3, 2)
    assert distributed.gathered(rows) is rows
    assert (distributed.rank(), distributed.world_size(), distributed.is_main()) == (0, 1, True)
    assert list(distributed.mine(range(5))) == [0, 1, 2, 3, 4]
    with distributed.session():
        distributed.barrier()


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE must be an integer"),
        ({"WORLD_SIZE": "2"}, "start all of them with torchrun"),
    ],
)
def test_a_broken_environment_is_a_sentence(environment, words, monkeypatch) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(AlphabarError, match=words), distributed.session():
        pass


@pytest.mark.heavy
def test_launch_trains_on_two_processes_says_each_line_once_and_returns_their_status(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "alphabar", "launch", "-n", "2", "train", "ddpm_digits", "--run", tmp_path / "run"]
    done = subprocess.run([*command, *TINY], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("next ") == 1 and done.stderr.count("run directory") == 1
    mistake = subprocess.run([*command, "training.stepz=3"], capture_output=True, text=True, check=False, timeout=300)
    assert mistake.returncode == 2 and mistake.stdout == ""
    assert mistake.stderr.count("\n") == 1 and "'stepz'; did you mean 'steps'?" in mistake.stderr


@pytest.mark.parametrize(("args", "words"), [([], "none is."), (["data"], "'data' is not.")])
def test_launch_is_followed_by_a_command_that_processes_share(monkeypatch, capsys, args, words) -> None:
    from alphabar import cli

    monkeypatch.setattr("sys.argv", ["alphabar", "launch", "-n", "2", *args])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    assert f"`alphabar launch -n 2` is followed by train, sample, evaluate; {words}" in capsys.readouterr().err


@pytest.mark.heavy
def test_torchrun_itself_trains_too(tmp_path: Path) -> None:
    done = two_ranks(*ALPHABAR, "train", "ddpm_digits", "--run", "run", *TINY, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "checkpoints" / "step-00000006").exists()


@pytest.mark.heavy
def test_a_training_that_loses_a_process_is_started_again_and_resumes_by_itself(tmp_path: Path) -> None:
    run = tmp_path / "run"
    settings = [*TINY, "training.steps=60", "training.checkpoint_every=2", "training.log_every=1"]
    command = [sys.executable, "-m", "alphabar", "launch", "-n", "2", "--restarts", "1", "train", "ddpm_digits"]
    launched = subprocess.Popen([*command, "--run", run, *settings], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (run / "checkpoints" / "step-00000006").exists():
        assert time.monotonic() < deadline and launched.poll() is None
        time.sleep(0.01)
    victim = [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/cmdline") if is_rank_of(path, run)][-1]
    os.kill(victim, signal.SIGKILL)
    _, said = launched.communicate(timeout=300)
    assert launched.returncode == 0, said
    assert said.count("resumed at step") == 1
    assert (run / "checkpoints" / "step-00000060").exists()


def is_rank_of(cmdline: Path, run: Path) -> bool:
    try:
        words = cmdline.read_bytes().split(b"\0")
    except OSError:
        return False
    return os.fsencode(run) in words and b"launch" not in words
