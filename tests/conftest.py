import os

os.environ["OMP_NUM_THREADS"] = "1"  # two OpenMP threads on a busy machine are slower than one
os.environ.setdefault("MPLBACKEND", "Agg")

import functools
import io
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from rich.console import Console

from alphabar import config as c
from tiny_settings import TINY

# No torch here: pytest-xdist's main process reads this file and runs no test, and torch takes 200 MB.


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def quick_ends() -> Iterator[None]:
    """Trainings of a few steps ask git once and draw no curve, which would take as long as their steps.

    Those of modules that ask for `full_ends` do.
    """
    from alphabar.runs import provenance
    from alphabar.training import loop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "plots", SimpleNamespace(loss_curve=lambda *_: None, scores=lambda *_: None))
        patch.setattr(provenance, "_git_commit", functools.cache(provenance._git_commit))
        yield


@pytest.fixture(scope="module")
def full_ends() -> Iterator[None]:
    """From here to the end of a module each training draws its curves, and asks git."""
    from alphabar import plots
    from alphabar.runs import provenance
    from alphabar.training import loop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "plots", plots)
        patch.setattr(provenance, "_git_commit", provenance._git_commit.__wrapped__)
        yield


@pytest.fixture(scope="session")
def tiny() -> Callable[..., c.Config]:
    """A config of the digits recipe that trains in a second, with further overrides."""
    return lambda *overrides: c.load("ddpm_digits", [*TINY, *overrides])


@pytest.fixture(scope="module")
def module_cache(tmp_path_factory) -> Iterator[None]:
    """A cache of features and floors that the tests of a module share, and no other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def quiet() -> Console:
    return Console(file=io.StringIO())


@pytest.fixture
def drawn_seeds(monkeypatch) -> list[int]:
    """The seeds that go through the network, in order."""
    from alphabar.sampling.pipeline import Pipeline

    seen: list[int] = []
    steps = Pipeline.steps

    def watched(self, job, *more):
        seen.extend(job.seeds)
        yield from steps(self, job, *more)

    monkeypatch.setattr(Pipeline, "steps", watched)
    return seen
