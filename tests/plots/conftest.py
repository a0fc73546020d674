import csv
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from rich.console import Console

from alphabar import cli
from alphabar.training import loop
from digits_folder import digits_folder

Rows = list[dict[str, str]]


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory) -> None:
    """Features and floors of these tests' own, kept between them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def runs(tiny, tmp_path_factory) -> dict[str, Path]:
    """Two class-conditional runs with learned variances, T = 24, on a folder of digits with a test split."""
    root = tmp_path_factory.mktemp("plots")
    settings = ["data.name=folder", f"data.path={digits_folder(root)}", "network.class_conditional=true"]
    settings += ["diffusion.variance=learned_range", "diffusion.objective=hybrid", "diffusion.steps=24"]
    for name in ("linear", "cosine"):
        config = tiny(*settings, "training.steps=20", "sampling.steps=6", f"diffusion.schedule={name}")
        loop.train(config, root / name, torch.device("cpu"), Console(quiet=True))
    return {name: root / name for name in ("linear", "cosine")}


@pytest.fixture
def call(monkeypatch) -> Callable[..., int]:
    """The exit status of a command, run in this process."""

    def called(*args: object) -> int:
        monkeypatch.setattr("sys.argv", ["alphabar", *map(str, args)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return int(caught.value.code or 0)

    return called


@pytest.fixture
def plot(call, tmp_path, capsys) -> Callable[..., Rows]:
    """The numbers that `alphabar plot` writes."""

    def drawn(*args: object) -> Rows:
        assert call("plot", *args, "--out", tmp_path / "picture.png") == 0, capsys.readouterr().err
        with (tmp_path / "picture.csv").open() as file:
            return list(csv.DictReader(file))

    return drawn


@pytest.fixture(scope="session")
def measured(runs) -> dict[str, Path]:
    """The same runs, once `alphabar evaluate RUN --bpd` has left its terms there."""
    from alphabar.evaluation import BitsRequest, bits_per_dim

    for run in runs.values():
        bits_per_dim(BitsRequest(run, count=8), torch.device("cpu"))
    return runs
