import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import io
from collections.abc import Callable

import pytest
import torch
from rich.console import Console

from alphabar import config as c

torch.set_num_threads(1)  # two OpenMP threads on a busy machine are slower than one

TINY = [
    "network.channels=8",
    "network.channel_mult=[1,2]",
    "network.num_blocks=1",
    "network.attention_resolutions=[4]",
    "diffusion.steps=20",
    "diffusion.schedule=cosine",
    "training.batch_size=8",
    "training.steps=6",
    "training.log_every=2",
    "training.sample_every=0",
    "training.checkpoint_every=2",
    "optimizer.warmup_steps=2",
    "sampling.num=4",
    "sampling.steps=3",
]
"""Overrides that shrink any recipe to a second's work on 8x8 images."""


@pytest.fixture(scope="session")
def tiny() -> Callable[..., c.Config]:
    """A config of the digits recipe that trains in a second, with further overrides."""
    return lambda *overrides: c.load("ddpm_digits", [*TINY, *overrides])


@pytest.fixture
def quiet() -> Console:
    return Console(file=io.StringIO())
