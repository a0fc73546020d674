"""Processes that torchrun starts agree; one process alone needs none of it."""

from pathlib import Path

import pytest
import torch

from alphabar import distributed
from alphabar.errors import AlphabarError
from ranks import ALPHABAR, two_ranks

RANKS = """
import sys, torch
from alphabar import build, config, distributed
torch.set_num_threads(1)
settings = ["diffusion.objective=vlb", "diffusion.variance=learned_range", "diffusion.steps=30",
            "diffusion.timestep_sampler=loss_second_moment", "sampling.steps=none"]
sampler = build.timestep_sampler(config.load("ddpm_digits", settings))
with distributed.session():
    rank = distributed.rank()
    torch.manual_seed(rank)
    for step in range(60):
        count = (5, 3)[rank] if step % 7 else (0, 4)[rank]
        t = torch.randint(1, 31, (count,))
        sampler.update(t, t + 100 * rank + torch.rand(count))
    torch.save(sampler.state_dict(), f"{sys.argv[1]}/{rank}.pt")
    distributed.barrier()
"""


@pytest.mark.heavy  # test_loss_second_moment gathers in one process
def test_two_ranks_with_uneven_batches_hold_equal_histories(tmp_path) -> None:
    (tmp_path / "ranks.py").write_text(RANKS)
    done = two_ranks(tmp_path / "ranks.py", tmp_path)
    assert done.returncode == 0, done.stderr
    one, two = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert (one["count"][1:] == 10).any()
    losses = one["history"][one["history"] > 0]
    assert (losses > 100).any() and (losses < 100).any()  # of both


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
def test_training_under_torchrun_is_refused_in_a_sentence(tmp_path: Path) -> None:
    done = two_ranks(*ALPHABAR, "train", "ddpm_digits", cwd=tmp_path)
    assert done.returncode != 0 and "several processes" in done.stderr and not (tmp_path / "runs").exists()
