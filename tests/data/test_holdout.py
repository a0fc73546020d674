"""What is held out follows from what the pictures show, for every source."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from alphabar.data import DataOptions, ImageSet, NoSplitError, load
from alphabar.errors import AlphabarError

SHARE = 0.3


def split(name: str, path: Path, part: str, **options: object) -> ImageSet:
    return load(name, DataOptions(path=path, split=part, **{"holdout": SHARE, **options}))


def pictures(images: ImageSet) -> set[bytes]:
    return {image.numpy().tobytes() for image in images.images}


def test_the_two_parts_are_the_whole_and_have_nothing_in_common(photos: Callable[..., Path]) -> None:
    path = photos(60)
    train, test = split("folder", path, "train"), split("folder", path, "test")
    whole = load("folder", DataOptions(path=path))
    assert pictures(train) | pictures(test) == pictures(whole)
    assert not pictures(train) & pictures(test)
    assert 8 <= len(test) <= 28 and len(train) + len(test) == 60
    assert f"{len(test)} images held out as data.split=test" in train.described()
    assert "taken out of 60 images by data.holdout=0.3" in test.described()


def test_order_and_labels_of_the_rest_stay(photos: Callable[..., Path]) -> None:
    for label in "ab":
        photos(30, name=f"photos/{label}", shape=(8, 8) if label == "a" else (8, 8, 3))
    path = photos(0)
    whole = load("folder", DataOptions(path=path))
    for part in ("train", "test"):
        kept = split("folder", path, part)
        rows = [row for row in range(60) if whole.images[row].numpy().tobytes() in pictures(kept)]
        assert kept.images.equal(whole.images[rows])
        assert kept.labels is not None and whole.labels is not None and kept.labels.equal(whole.labels[rows])
        assert kept.class_names == ("a", "b") and kept.images.is_contiguous()


def test_names_order_encoding_size_and_background_do_not_matter(photos: Callable[..., Path], tmp_path: Path) -> None:
    path, other, rng = photos(0), tmp_path / "other", np.random.default_rng(1)
    other.mkdir()
    levels = rng.integers(0, 256, (40, 12, 12, 4), dtype=np.uint8)
    for k, pixels in enumerate(levels):
        Image.fromarray(pixels).save(path / f"{k:02}.png")
        Image.fromarray(pixels).save(other / f"{99 - k}.webp", lossless=True, exact=True)
    np.save(tmp_path / "a.npy", levels)
    held = split("folder", path, "test", channels=4)
    assert pictures(held) == pictures(split("folder", other, "test", channels=4))
    assert pictures(held) == pictures(split("npz", tmp_path / "a.npy", "test", channels=4))
    small = {"image_size": (4, 4), "resize": "stretch"}
    white = split("folder", path, "test", channels=3, background=(255, 255, 255), **small)
    black = split("folder", path, "test", channels=3, **small)
    assert len(white) == len(black) == len(held) == white.contents.transparent


def test_equal_and_mirrored_pictures_are_on_the_same_side(photos: Callable[..., Path], tmp_path: Path) -> None:
    path = photos(40)
    for file in list(path.iterdir()):
        picture = Image.open(file)
        picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(path / f"mirrored-{file.name}")
        shutil.copy(file, path / f"copy-{file.name}")
    for part in ("train", "test"):
        kept = split("folder", path, part)
        mirrored = {image.flip(2).numpy().tobytes() for image in kept.images}
        assert pictures(kept) == mirrored and len(kept) == 3 * len(pictures(kept)) // 2


def test_a_grey_picture_is_held_out_as_grey_and_as_rgb(tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (30, 8, 8, 1), dtype=np.uint8)
    np.save(tmp_path / "grey.npy", grey)
    np.save(tmp_path / "rgb.npy", grey.repeat(3, axis=3))
    one, three = (split("npz", tmp_path / f"{name}.npy", "test", channels=1) for name in ("grey", "rgb"))
    assert one.images.equal(three.images)


def test_a_test_split_of_its_own_is_not_replaced(photos: Callable[..., Path], tmp_path: Path) -> None:
    photos(4, name="photos/train")
    photos(3, name="photos/test")
    for part in ("train", "test"):
        with pytest.raises(AlphabarError, match=r"test split of its own, with 3 images, .* set data.holdout=0"):
            split("folder", tmp_path / "photos", part)


def test_a_validation_split_of_its_own_stays(photos: Callable[..., Path], tmp_path: Path) -> None:
    photos(30, name="photos/train")
    photos(3, name="photos/val", shape=(8, 8))
    path = tmp_path / "photos"
    assert len(split("folder", path, "val")) == 3
    assert len(split("folder", path, "train")) + len(split("folder", path, "test")) == 30


def test_parts_without_a_picture_are_sentences(photos: Callable[..., Path]) -> None:
    path = photos(2)
    with pytest.raises(NoSplitError, match=r"holds out none of the 2 images .* a larger share"):
        split("folder", path, "test", holdout=1e-9)
    with pytest.raises(AlphabarError, match=r"holds out all of the 2 images .* a smaller one"):
        split("folder", path, "train", holdout=1 - 1e-9)
    with pytest.raises(NoSplitError, match="no 'val' split"):
        split("folder", path, "val")


@pytest.mark.parametrize("kind", ["archive", "idx", "npz", "digits"])
def test_every_source_without_a_test_split_can_hold_out(
    kind: str, photos: Callable[..., Path], write_idx: Callable[..., Path], tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    options = DataOptions()
    if kind == "archive":
        options = DataOptions(path=Path(shutil.make_archive(str(tmp_path / "a"), "zip", photos(20))))
    elif kind == "idx":
        options = DataOptions(path=write_idx())
    elif kind == "npz":
        np.savez(tmp_path / "a.npz", np.random.default_rng(0).integers(0, 256, (20, 8, 8), np.uint8), np.arange(20) % 2)
        options = DataOptions(path=tmp_path / "a.npz")
    whole = load(kind, options)
    train, test = (load(kind, replace(options, holdout=SHARE, split=part)) for part in ("train", "test"))
    assert len(train) + len(test) == len(whole) and len(test)
    assert pictures(train) | pictures(test) == pictures(whole)
    assert len({images.fingerprint() for images in (whole, train, test)}) == 3


def test_stored_values_stay_with_their_images(tmp_path: Path) -> None:
    for k in range(20):
        size = (4 + k % 5, 8)
        Image.fromarray(np.random.default_rng(k).integers(0, 256, size, dtype=np.uint8)).save(tmp_path / f"{k:02}.png")
    kept = split("folder", tmp_path, "train", image_size=(8, 8), resize="pad")
    assert kept.stored is not None
    rows_with_pixels = (kept.images != 0).any(dim=3).any(dim=1).sum(dim=1) * 8
    assert kept.stored.equal(rows_with_pixels.to(torch.int64))
