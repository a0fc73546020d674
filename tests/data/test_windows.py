"""Crops: where they lie, and random ones in training."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from alphabar import config as c
from alphabar.data import DataOptions, ImageSet, ShuffledStream, load
from alphabar.data.options import manner, of_manner
from alphabar.errors import AlphabarError
from alphabar.images import POSITIONS, crop

SIZE = (8, 8)


@pytest.fixture
def numbered(tmp_path: Path) -> Path:
    """An array of four images 8x8, 12x12 when enlarged, whose every pixel has a level of its own within its image."""
    ramp = np.arange(144, dtype=np.uint8).reshape(12, 12)
    np.save(tmp_path / "a.npy", np.stack([ramp + k for k in range(4)]))
    return tmp_path / "a.npy"


def read(path: Path, **options: object) -> ImageSet:
    return load("npz", DataOptions(path=path, image_size=SIZE, resize="crop", **options))


@pytest.mark.parametrize(
    ("where", "rows", "columns"),
    [
        ("top", (0, 10), (5, 15)), ("bottom", (10, 20), (5, 15)), ("centre", (5, 15), (5, 15)),
        ("left", (5, 15), (0, 10)), ("right", (5, 15), (10, 20)), ("random", (5, 15), (5, 15)),
    ],
)  # fmt: skip
def test_a_crop_lies_where_it_is_asked_for(where: str, rows: tuple[int, int], columns: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20), dtype=np.uint8)
    tall, wide = pixels[:, 5:15], pixels[5:15]
    at = POSITIONS[where]
    vertical = where in ("top", "bottom")
    expected = pixels[slice(*rows), slice(*columns)]
    assert (np.asarray(crop(Image.fromarray(tall if vertical else wide), (10, 10), at=at)) == expected).all()


def test_files_and_arrays_are_cropped_at_the_same_place(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 16, 8), dtype=np.uint8)
    np.save(tmp_path / "a.npy", pixels)
    (tmp_path / "files").mkdir()
    for k, image in enumerate(pixels):
        Image.fromarray(image).save(tmp_path / "files" / f"{k}.png")
    for where, rows in (("top", slice(0, 8)), ("bottom", slice(8, 16)), ("centre", slice(4, 12))):
        options = {"image_size": SIZE, "resize": "crop", "crop": where}
        arrays = load("npz", DataOptions(path=tmp_path / "a.npy", **options)).images
        files = load("folder", DataOptions(path=tmp_path / "files", **options)).images
        assert arrays.equal(files) and arrays.equal(torch.from_numpy(pixels[:, None, rows]))


def test_random_crops_keep_room_and_show_the_middle(numbered: Path) -> None:
    images = read(numbered, crop="random", crop_room=1.5)
    assert images.larger is not None and images.larger.shape == (4, 1, 12, 12) and images.shape == (1, 8, 8)
    assert images.images.equal(images.larger[:, :, 2:10, 2:10])
    assert images.images.untyped_storage().data_ptr() == images.larger.untyped_storage().data_ptr()  # no second copy
    assert images.stored is None


def test_every_window_is_seen_about_equally_often_and_always_whole(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(144, dtype=np.uint8).reshape(1, 12, 12))
    images = read(tmp_path / "a.npy", crop="random", crop_room=1.5)
    batch = ShuffledStream(images, seed=0).batch(0, 5000).images[:, 0].int()
    corners, counts = batch[:, 0, 0].unique(return_counts=True)
    assert corners.tolist() == [12 * top + left for top in range(5) for left in range(5)]
    assert counts.min() > 140 and counts.max() < 260  # 200 each, 14 the standard deviation
    assert (batch.diff(dim=1) == 12).all() and (batch.diff(dim=2) == 1).all()  # neighbours stay neighbours


def test_a_window_depends_on_seed_and_position_alone(numbered: Path) -> None:
    images = read(numbered, crop="random", crop_room=1.5)
    stream = ShuffledStream(images, seed=3, horizontal_flip=True)
    whole = stream.batch(0, 40).images
    parts = torch.cat([stream.batch(start, 8).images for start in range(0, 40, 8)])
    assert whole.equal(parts)
    assert not whole.equal(ShuffledStream(images, seed=4, horizontal_flip=True).batch(0, 40).images)
    flips = ShuffledStream(images, seed=3).batch(0, 40).images
    assert all(a.equal(b) or a.equal(b.flip(2)) for a, b in zip(whole, flips, strict=True))


def test_the_fingerprint_covers_all_that_can_be_seen(numbered: Path) -> None:
    values = np.load(numbered)
    before = read(numbered, crop="random", crop_room=1.5)
    values[0, 0, 0] += 50
    np.save(numbered, values)
    after = read(numbered, crop="random", crop_room=1.5)
    assert before.images.equal(after.images) and before.fingerprint() != after.fingerprint()


def test_random_crops_and_a_held_out_part_go_together(photos: Callable[..., Path]) -> None:
    options = {"path": photos(30, (16, 12, 3)), "image_size": SIZE, "resize": "crop", "crop": "random", "holdout": 0.3}
    parts = [load("folder", DataOptions(split=part, **options)) for part in ("train", "test")]
    assert sum(map(len, parts)) == 30
    assert all(part.larger is not None and part.larger.shape[2:] == (10, 10) for part in parts)


def test_memory_is_checked_for_what_is_kept(
    photos: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    options = DataOptions(path=photos(4, (12, 12)), image_size=SIZE, resize="crop")
    roomy = replace(options, crop="random", crop_room=1.5)
    expected = load("folder", roomy)
    monkeypatch.setattr("alphabar.data.memory.machine_bytes", lambda: 2 * 4 * 100)
    load("folder", options)
    assert not caplog.text
    assert load("folder", roomy).fingerprint() == expected.fingerprint()
    assert "does not fit into memory: its 4 images are packed" in caplog.text


def test_how_images_are_cropped_is_part_of_how_samples_were_made() -> None:
    plain, random = (DataOptions(image_size=SIZE, resize="crop", crop=crop) for crop in ("centre", "random"))
    assert of_manner(manner(random)) == random and of_manner(manner(plain)) == plain
    assert not {"crop", "crop_room", "holdout"} & {*manner(plain)}  # as it was before there was a choice


@pytest.mark.parametrize(
    ("override", "words"),
    [
        (["data.crop=top"], "data.crop=top needs data.resize=crop; data.resize is none"),
        (["data.crop=center", "data.resize=crop"], "did you mean 'centre'"),
        (["data.crop=random", "data.resize=crop", "data.crop_room=0.5"], "data.crop_room is 0.5"),
        (["data.holdout=1"], "data.holdout is 1"),
    ],
)
def test_settings_of_crops_that_cannot_be_are_sentences(override: list[str], words: str) -> None:
    with pytest.raises(AlphabarError, match=words):
        c.load("ddpm_digits", override)
