"""An alarm while training, in plain words and once, if the samples copy the training images; and only then."""

import io
import json
from pathlib import Path

import pytest
import torch
from rich.console import Console

from alphabar import build, data, images
from alphabar.evaluation import Scorer, held_out
from alphabar.training import loop

CPU = torch.device("cpu")


pytestmark = pytest.mark.usefixtures("module_cache")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """200 digits to train on, and 60 that are held out."""
    path = tmp_path_factory.mktemp("digits")
    digits = data.load("digits").images
    for split, rows in (("train", digits[:200]), ("test", digits[200:260])):
        (path / split).mkdir()
        for n, image in enumerate(rows):
            images.save_png(path / split / f"{n:03d}.png", image)
    return path


def settings(folder: Path) -> tuple[str, ...]:
    return (
        "data.name=folder", f"data.path={folder}", "evaluation.every=2", "evaluation.count=40",
        "evaluation.features=fashion-cnn", "data.channels=1",
    )  # fmt: skip


def test_copies_raise_an_alarm_and_other_digits_do_not(tiny, folder) -> None:
    config = tiny(*settings(folder))
    train = build.image_set(config.data)
    scorer = Scorer(config, train, CPU)
    values = scorer.score(train.images[:100], 7)
    assert values["copying-fashion-cnn"] > 0.9 and scorer.hint is None
    assert scorer.alarm is not None and "step 7" in scorer.alarm and "copy training images" in scorer.alarm
    fresh = scorer.score(data.load("digits").images[300:500], 8)
    assert scorer.alarm is None and fresh["copying-fashion-cnn"] == pytest.approx(0.5, abs=0.15)


def test_the_alarm_is_said_once(tiny, folder, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(held_out, "COPIES", -1.0)
    out = io.StringIO()
    loop.train(tiny(*settings(folder)), tmp_path / "run", CPU, Console(file=out, width=200))
    assert out.getvalue().count("warning: the samples begin to copy training images") == 1
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [set(row["evaluation"]) for row in rows if "evaluation" in row] == [
        {"FD-fashion-cnn", "copying-fashion-cnn"}
    ] * 3


def test_without_held_out_images_it_is_said_what_is_needed(tiny, folder, tmp_path) -> None:
    out = io.StringIO()
    loop.train(tiny(*settings(folder / "train")), tmp_path / "run", CPU, Console(file=out, width=200))
    assert out.getvalue().count(held_out.NEEDED) == 1 and "begin to copy" not in out.getvalue()


def test_a_grey_held_out_split_of_colour_images_is_read_in_colour(tiny, folder) -> None:
    config = tiny(*settings(folder), "data.channels=none")
    colour = build.image_set(config.data.model_copy(update={"channels": 3}))
    found = held_out.images(config, colour)
    assert found is not None and found.shape == (3, 8, 8)


def test_a_large_set_is_not_watched(tiny, folder, monkeypatch) -> None:
    config = tiny(*settings(folder))
    monkeypatch.setattr(held_out, "SMALL", 200)
    scorer = Scorer(config, build.image_set(config.data), CPU)
    assert set(scorer.score(data.load("digits").images[:50], 1)) == {"FD-fashion-cnn"} and scorer.hint is None
