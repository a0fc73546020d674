"""A run remembers which pictures it held out and how it cropped, so that all commands find the same ones."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import alphabar
from alphabar.data import DataOptions, load
from alphabar.errors import AlphabarError
from alphabar.evaluation import references
from alphabar.evaluation.reading import HowRead
from alphabar.runs.model import load_model
from tiny_settings import TINY

SETTINGS = [
    *TINY, "data.image_size=8", "data.channels=1", "data.resize=crop", "data.crop=random", "data.holdout=0.3",
    "network.class_conditional=false",
]  # fmt: skip


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for k in range(30):
        Image.fromarray(rng.integers(0, 256, (12, 16), dtype=np.uint8)).save(folder / f"{k:02}.png")
    return folder


@pytest.fixture(scope="module")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "run"
    alphabar.train("ddpm_digits", data=photos, run=path, overrides=SETTINGS, device="cpu")
    return path


def test_the_config_records_it_and_the_model_finds_the_other_part(run: Path) -> None:
    data = json.loads((run / "config.json").read_text())["data"]
    assert (data["holdout"], data["crop"], data["crop_room"]) == (0.3, "random", 1.25)
    model = load_model(run, "ema", "cpu", None)
    train, test = model.images(), model.images("test")
    assert len(train) + len(test) == 30 and train.shape == test.shape == (1, 8, 8)
    assert not {image.numpy().tobytes() for image in train.images} & {image.numpy().tobytes() for image in test.images}
    assert train.fingerprint() == model.facts.fingerprint


def test_an_evaluation_compares_with_both_parts_and_says_so(run: Path) -> None:
    reference = references.of_run(load_model(run, "ema", "cpu", None))
    assert reference.held_out is not None and reference.images is not None
    assert len(reference.held_out) + len(reference.images) == 30
    assert reference.about["is_what_was_trained_on"]
    assert (reference.about["holdout"], reference.about["crop"]) == (0.3, "random")


def test_the_bound_is_that_of_the_held_out_part(run: Path) -> None:
    row = alphabar.bits_per_dim(run, count=2, device="cpu")
    model = load_model(run, "ema", "cpu", None)
    assert (row["split"], row["fingerprint"]) == ("test", model.images("test").fingerprint())


def test_another_share_or_crop_is_another_run(run: Path, photos: Path) -> None:
    for setting in ("data.holdout=0.2", "data.crop=top", "data.crop_room=1.5"):
        with pytest.raises(AlphabarError, match=setting.split("=")[0]):
            alphabar.train("ddpm_digits", data=photos, run=run, overrides=[*SETTINGS, setting], device="cpu")


def test_a_reference_beside_the_run_is_read_whole(photos: Path) -> None:
    like = DataOptions(image_size=(8, 8), resize="crop", crop="random", holdout=0.3)
    options = HowRead().of_reference((1, 8, 8), like, "train", None)
    assert (options.holdout, options.crop) == (0, "random")
    assert len(load("folder", replace(options, path=photos))) == 30


def test_a_class_conditional_recipe_on_images_without_classes_names_every_setting_to_turn_off(photos: Path) -> None:
    classless = ["network.class_conditional=true", "network.label_dropout=0.1"]
    with pytest.raises(AlphabarError, match=r"class_conditional=false and network\.label_dropout=0\."):
        alphabar.train(
            "ddpm_digits", data=photos, run=photos.parent / "classless", overrides=[*SETTINGS, *classless], device="cpu"
        )
