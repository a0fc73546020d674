"""A tiny class-conditional run with previews and evaluations, and the page of it."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

import alphabar
from alphabar.app.offered import Models, offered
from alphabar.app.shelf import Shelf

SETTINGS = {
    "network.channels": 8, "network.channel_mult": [1, 1], "network.attention_resolutions": [],
    "network.class_conditional": True, "network.label_dropout": 0.2, "diffusion.steps": 40,
    "training.steps": 12, "training.sample_every": 4, "training.log_every": 2, "training.batch_size": 8,
    "training.checkpoint_every": 4, "sampling.num": 4, "sampling.steps": 5,
}  # fmt: skip


def pytest_collect_file() -> None:
    """Without Gradio the whole folder is skipped, before its modules are imported."""
    if find_spec("gradio") is None:
        pytest.skip("the page needs the extra app", allow_module_level=True)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("app") / "digits"
    alphabar.train("ddpm_digits", run=path, overrides=SETTINGS, device="cpu")
    alphabar.bits_per_dim(path, split="train", count=3, device="cpu")
    return path


@pytest.fixture
def models(run: Path) -> Models:
    return Models(offered([run]), "cpu")


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf")


@pytest.fixture(scope="session")
def address(run: Path) -> Iterator[str]:
    from alphabar.app.server import served

    with served([run], device="cpu") as (place, _):
        yield place.rstrip("/")
