"""The data of a run: its classes are names, and it is found, and recognised, wherever it lies now."""

import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import alphabar
from alphabar.data import DataOptions, classes, load
from alphabar.errors import AlphabarError
from alphabar.runs.model import DataPlace, LoadedModel, load_model
from tiny_settings import TINY

CLASSES = ("ant", "bee", "cat")
SETTINGS = [*TINY, "training.steps=2", "network.class_conditional=true"]


def put(folder: Path, *names: str, count: int = 3) -> Path:
    """`count` pictures for each class below `folder`; those of a class are the same everywhere."""
    for name in names:
        (folder / name).mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng([ord(letter) for letter in unicodedata.normalize("NFC", name)])
        for k in range(count):
            Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(folder / name / f"{k}.png")
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `photos`, which has classes and both splits, and `run`, trained on it by a relative path."""
    home = tmp_path_factory.mktemp("home")
    put(home / "photos" / "train", *CLASSES)
    put(home / "photos" / "test", *CLASSES, count=2)
    with pytest.MonkeyPatch.context() as context:
        context.chdir(home)
        alphabar.train("ddpm_digits", data="photos", run="run", overrides=SETTINGS, device="cpu")
    return home


@pytest.fixture
def photos(home: Path, tmp_path: Path) -> Path:
    """A copy of the photos without the test split."""
    shutil.copytree(home / "photos" / "train", tmp_path / "photos" / "train")
    return tmp_path / "photos"


@pytest.fixture
def model(home: Path, photos: Path) -> LoadedModel:
    return load_model(home / "run", place=DataPlace(photos))


def test_labels_are_matched_by_name_where_classes_are_missing(
    model: LoadedModel, photos: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(photos / "test", "bee", "cat", count=2)
    images = model.images("test")
    assert images.labels is not None and images.labels.tolist() == [1, 1, 2, 2]
    assert images.class_names == CLASSES
    assert "no image of 1 of the 3 classes: ant" in caplog.text


def test_a_single_class_in_another_split_is_that_class(model: LoadedModel, photos: Path) -> None:
    put(photos / "test", "cat", count=1)
    labels = model.images("test").labels
    assert labels is not None and labels.tolist() == [2]


@pytest.mark.parametrize("extra", ["dog", "aardvark", "Ant"])
def test_a_class_that_the_run_does_not_know_is_a_sentence(model: LoadedModel, photos: Path, extra: str) -> None:
    put(photos / "test", *CLASSES, extra)
    with pytest.raises(AlphabarError, match=f"the class {extra}, which this model was not trained on"):
        model.images("test")


def test_images_without_classes_are_a_sentence_for_a_network_with_classes(model: LoadedModel, photos: Path) -> None:
    put(photos, "test")
    with pytest.raises(AlphabarError, match="have no classes, and this model needs a class"):
        model.images("test")


def test_bits_per_dim_do_not_depend_on_which_other_classes_there_are(home: Path, tmp_path: Path) -> None:
    def bits(*names: str) -> float:
        folder = tmp_path / "-".join(names)
        shutil.copytree(home / "photos" / "train", folder / "train")
        put(folder / "test", *names, count=1)
        row = alphabar.bits_per_dim(home / "run", data=folder, out=folder / "out", device="cpu", count=None)
        return float(row["bits_per_dim"]["total"]["value"])

    one, other, both = bits("bee"), bits("cat"), bits("bee", "cat")
    # The noise of an image comes from its place in the set, so that the mean is near, not equal.
    assert both == pytest.approx((one + other) / 2, rel=0.02)


def test_the_test_images_of_one_class_alone_are_a_reference(home: Path, photos: Path) -> None:
    put(photos / "test", "bee", count=4)
    row = alphabar.evaluate(
        home / "run", data=photos, features="fashion-cnn", metrics="fd", label="bee", count=4, out=photos / "out",
        device="cpu",
    )  # fmt: skip
    assert row["reference"]["class"] == 1 and row["reference"]["n"] == 3


def test_a_relative_path_is_kept_as_an_absolute_one(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    model = load_model(home / "run")
    assert model.config.data.path == home / "photos"
    assert len(model.images("test")) == 6


def test_data_that_moved_are_named_with_data(home: Path, tmp_path: Path) -> None:
    moved, gone = tmp_path / "elsewhere", home / "photos"
    shutil.copytree(home / "photos", moved)
    gone.rename(home / "hidden")
    try:
        with pytest.raises(AlphabarError, match=f"{gone}, the data that .*run was trained on, is not there.*--data"):
            load_model(home / "run").images("test")
        assert len(load_model(home / "run", place=DataPlace(moved)).images("test")) == 6
        with pytest.raises(AlphabarError, match="There is no file or folder"):
            load_model(home / "run", place=DataPlace(tmp_path / "nowhere")).images()
    finally:
        (home / "hidden").rename(gone)


@pytest.mark.parametrize("split", ["train", "test"])
def test_data_of_the_same_shape_are_not_taken_for_those_of_the_run(home: Path, tmp_path: Path, split: str) -> None:
    put(tmp_path / "train", *CLASSES, count=4)
    put(tmp_path / "test", *CLASSES)
    with pytest.raises(AlphabarError, match=r"holds other images than those that .*run was trained on"):
        load_model(home / "run", place=DataPlace(tmp_path)).images(split)


def test_a_test_split_alone_is_taken_and_that_it_cannot_be_checked_is_said(
    home: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path / "test", *CLASSES)
    assert len(load_model(home / "run", place=DataPlace(tmp_path)).images("test")) == 9
    assert "it cannot be checked" in caplog.text


# ---- names and numbers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "text", "number"),
    [
        (("ant", "bee"), "bee", 1),
        (("ant", "bee"), "1", 1),
        (("ant", "bee"), "2", None),
        (("1", "2", "10"), "1", 0),
        (("1", "2", "10"), "10", 2),
        (("1", "2", "10"), "0", None),
        (("ant", "7"), "0", None),
        (("none", "ant"), "none", 0),
        (("caf\N{LATIN SMALL LETTER E WITH ACUTE}", "x"), "cafe\N{COMBINING ACUTE ACCENT}", 0),
        (("cafe\N{COMBINING ACUTE ACCENT}", "x"), "caf\N{LATIN SMALL LETTER E WITH ACUTE}", 0),
        (("\N{WOMAN}\\u200d\N{PERSONAL COMPUTER}", "x"), "\N{WOMAN}\N{ZERO WIDTH JOINER}\N{PERSONAL COMPUTER}", 0),
        (("\\x1b[31mred", "x"), "\x1b[31mred", 0),
        (("\\xff", "x"), "\udcff", 0),
        (("x", "y"), "\ud800", None),
        (("ant", "bee"), "\N{ARABIC-INDIC DIGIT ONE}", None),
        (("ant", "bee"), "9" * 5000, None),
        (("ant", "bee"), "-1", None),
        (("ant", "bee"), "", None),
    ],
)
def test_a_class_is_found_by_name_and_by_number_where_that_cannot_be_mistaken(
    names: tuple[str, ...], text: str, number: int | None
) -> None:
    assert classes.class_number(names, text) == number


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., LoadedModel]:
    def train(*names: str, settings: tuple[str, ...] = ()) -> LoadedModel:
        folder = tmp_path_factory.mktemp("classes")
        put(folder / "photos", *names)
        overrides = [*SETTINGS, *settings]
        run = alphabar.train(
            "ddpm_digits", data=folder / "photos", run=folder / "run", overrides=overrides, device="cpu"
        )
        return load_model(run.path)

    return train


def test_a_class_called_none_can_be_asked_for_and_so_can_no_class(trained: Callable[..., LoadedModel]) -> None:
    model = trained("none", "some", settings=("network.label_dropout=0.5",))
    assert model.label("none") == 0
    assert model.label("unconditional") == "none"
    assert trained("a", "b", settings=("network.label_dropout=0.5",)).label("none") == "none"


def test_that_no_class_needs_label_dropout_is_said(home: Path) -> None:
    with pytest.raises(AlphabarError, match=r"label_dropout.*--class: 0 ant, 1 bee, 2 cat"):
        load_model(home / "run").label("none")


def test_numbers_of_an_archive_are_the_classes_of_a_folder(home: Path, tmp_path: Path) -> None:
    photos = load("folder", DataOptions(path=home / "photos"))
    np.savez(tmp_path / "photos.npz", photos.images.permute(0, 2, 3, 1).numpy(), photos.labels)
    images = load_model(home / "run", place=DataPlace(tmp_path / "photos.npz")).images()
    assert torch.equal(images.images, photos.images) and images.class_names == CLASSES
