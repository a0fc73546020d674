"""The settings that are advised for pictures, whatever source they come from."""

import itertools
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alphabar.data import Advice, DataOptions, advised, detect, glance, load
from alphabar.data.advice import suggested

Writer = Callable[..., Path]


def of(path: Path, largest: int = 32) -> Advice:
    return advised(DataOptions(path=path), detect(path), largest)


def save(folder: Path, pictures: np.ndarray) -> Path:
    """Pictures (n, H, W[, C]) as PNGs 000.png ... in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{k:04}.png")
    return folder


def subject(count: int, level: int, shape: tuple[int, int] = (40, 40)) -> np.ndarray:
    """RGBA pictures (n, H, W, 4): a disk of a grey level and of random size, transparent around it."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    radii = rng.uniform(5, min(shape) / 2 - 2, (count, 1, 1))
    inside = (y - shape[0] / 2) ** 2 + (x - shape[1] / 2) ** 2 < radii**2
    pictures = np.full((count, *shape, 4), level, np.uint8)
    pictures[..., 3] = inside * 255
    return pictures


# ---- size and resize rule -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "largest", "side"),
    [
        ([(200, 300), (100, 90)], 256, 128),
        ([(200, 300), (200, 301)], 256, 128),
        ([(200, 300), (200, 301)], 64, 64),
        ([(33, 500), (31, 40), (40, 40)], 128, 32),
        ([(20, 21), (21, 20)], 32, 16),
        ([(5, 6), (6, 5)], 32, 8),
        ([(300, 300)], 128, 128),
        ([(64, 64)], 32, 32),
    ],
)
def test_the_side_is_a_power_of_two_that_the_pictures_fill_within_the_bound(sizes, largest, side) -> None:
    assert suggested(sizes, largest)[:2] == ((side, side), "crop")
    assert suggested(sizes, largest, keeps_all=True)[:2] == ((side, side), "pad")


@pytest.mark.parametrize(
    ("size", "largest", "expected"),
    [((28, 28), 32, ((32, 32), "pad")), ((48, 64), 64, ((48, 64), "none")), ((8, 8), 32, ((8, 8), "none"))],
)
def test_small_pictures_of_one_size_are_used_as_they_are_or_padded(size, largest, expected) -> None:
    assert suggested([size] * 3, largest)[:2] == expected


@pytest.mark.parametrize("largest", [32, 64, 128, 256])
def test_no_side_is_above_the_bound(largest) -> None:
    for height, width in itertools.product((7, 33, 64, 100, 255, 400), repeat=2):
        for sizes in ([(height, width)], [(height, width), (width, height), (height + 1, width)]):
            assert max(suggested(sizes, largest)[0]) <= largest


def test_transparent_pictures_are_padded_and_photos_are_cropped(tmp_path, photos: Writer) -> None:
    mixed = save(tmp_path / "icons", subject(5, 200, (40, 60)))
    Image.fromarray(subject(1, 9, (90, 50))[0]).save(mixed / "tall.png")
    assert of(mixed).resize == "pad"
    pictures = photos(5, (40, 60, 3))
    Image.new("RGB", (50, 90)).save(pictures / "tall.png")
    assert of(pictures).resize == "crop"


@pytest.mark.parametrize("border", [(255, 255, 255), (0, 0, 0), (30, 90, 200)])
def test_pictures_with_plain_borders_of_one_colour_are_padded_in_that_colour(border, tmp_path) -> None:
    pictures = subject(6, 128, (60, 90)).astype(int)
    opaque = np.where(pictures[..., 3:] > 0, pictures[..., :3], border).astype(np.uint8)
    folder = save(tmp_path / "plain", opaque)
    Image.fromarray(opaque[0][:, :70]).save(folder / "narrow.png")
    advice = of(folder)
    assert (advice.resize, advice.background) == ("pad", border)


# ---- background -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("levels", "background"),
    [([0, 0, 255], (255, 255, 255)), ([0, 255, 255], (0, 0, 0)), ([128, 128], (255, 255, 255))],
)
def test_the_background_leaves_the_fewest_transparent_pictures_blank(levels, background, tmp_path) -> None:
    folder = save(tmp_path / "icons", np.concatenate([subject(1, level) for level in levels]))
    advice = of(folder)
    assert advice.background == background
    white, black = (sum(level == blank for level in levels) for blank in (255, 0))
    assert f"nearly blank on white: {white}, on black: {black}" in advice.reasons["data.background"]


# ---- flips ----------------------------------------------------------------------------------------------------------


def shoes(count: int) -> np.ndarray:
    """Pictures (n, 28, 28) like Fashion-MNIST's sneakers: a wedge whose toe is always on the left."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:28, 0:28]
    toe, sole, slope = (rng.uniform(low, high, (count, 1, 1)) for low, high in ((2, 6), (20, 24), (0.3, 0.7)))
    return (255 * ((y < sole) & (y > sole - 2 - slope * (x - toe)) & (x > toe) & (x < 25))).astype(np.uint8)


def blobs(count: int, is_lopsided: bool = False) -> np.ndarray:
    """Pictures (n, 28, 28) with a bright spot anywhere, or only in the left half."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:28, 0:28]
    row, column = rng.uniform(4, 24, (2, count, 1, 1))
    column = column / 2 if is_lopsided else column
    return (255 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 18)).astype(np.uint8)


def arrays(tmp_path: Path, **values: np.ndarray) -> Path:
    np.savez(tmp_path / "set.npz", **values)
    return tmp_path / "set.npz"


def test_digits_are_not_flipped() -> None:
    assert not advised(DataOptions(), "digits", 32).horizontal_flip


@pytest.mark.parametrize("pictures", [shoes(400), blobs(400, is_lopsided=True)])
def test_shoes_and_what_is_always_on_one_side_are_not_flipped(pictures, tmp_path) -> None:
    assert not of(arrays(tmp_path, images=pictures)).horizontal_flip


def test_letters_are_not_flipped(tmp_path) -> None:
    from PIL import ImageDraw

    rng, pictures = np.random.default_rng(0), []
    for k in range(520):
        picture = Image.new("L", (28, 28))
        text = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[k % 26]
        x, y = rng.integers(4, 9, 2).tolist()
        ImageDraw.Draw(picture).text((x, y), text, fill=255, font_size=int(rng.integers(10, 16)))
        pictures.append(np.asarray(picture))
    assert not of(arrays(tmp_path, images=np.stack(pictures))).horizontal_flip


def test_a_set_that_is_symmetric_in_distribution_is_flipped(tmp_path) -> None:
    assert of(arrays(tmp_path, images=blobs(600))).horizontal_flip
    both = np.concatenate([shoes(300), shoes(600)[300:, :, ::-1]])
    assert of(arrays(tmp_path, images=both)).horizontal_flip


def test_too_few_pictures_or_only_symmetric_ones_are_no_evidence_for_flips(tmp_path) -> None:
    assert not of(arrays(tmp_path, images=blobs(150))).horizontal_flip
    halves = blobs(400)
    assert not of(arrays(tmp_path, images=np.maximum(halves, halves[:, :, ::-1]))).horizontal_flip


def test_classes_that_are_mirror_images_of_each_other_are_not_flipped(tmp_path) -> None:
    """Such as b and d: together they are symmetric."""
    both = np.concatenate([shoes(300), shoes(600)[300:, :, ::-1]])
    assert not of(arrays(tmp_path, images=both, labels=np.arange(600) // 300)).horizontal_flip


def test_one_lopsided_class_among_symmetric_ones_forbids_flips(tmp_path) -> None:
    images = np.concatenate([blobs(1500), shoes(80)])
    assert not of(arrays(tmp_path, images=images, labels=np.r_[np.zeros(1500, int), np.ones(80, int)])).horizontal_flip


# ---- classes and counts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("counts", "several"), [((12, 10), True), ((40, 9), False), ((9, 9, 9), False)])
def test_classes_count_if_two_have_more_than_a_few_pictures(counts, several, photos: Writer, tmp_path) -> None:
    for k, count in enumerate(counts):
        photos(count, name=f"set/{k}")
    advice = of(tmp_path / "set")
    assert (advice.class_conditional, advice.count) == (several, sum(counts))


def test_no_classes_is_no_class_conditional_network(photos: Writer) -> None:
    assert not of(photos(30)).class_conditional


def test_only_the_training_split_counts_and_broken_pictures_do_not(photos: Writer, tmp_path) -> None:
    photos(5, name="set/test")
    (photos(30, name="set/train") / "bad.png").write_bytes(b"")
    assert of(tmp_path / "set").count == 30


def test_every_kind_of_source_gets_the_same_advice(tmp_path, photos: Writer, write_idx) -> None:
    folder = photos(20, (8, 8), name="set/a").parent
    photos(20, (8, 8), name="set/b")
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as file:
        for path in sorted(folder.rglob("*.png")):
            file.write(path, path.relative_to(folder))
    images = load("folder", DataOptions(path=folder))
    array = arrays(tmp_path, images=images.images[:, 0].numpy(), labels=images.labels.numpy())
    assert of(folder) == of(tmp_path / "set.zip") == of(array)
    (tmp_path / "idx").mkdir()
    assert of(write_idx()).image_size == (8, 8)
    assert advised(DataOptions(), "digits", 32).class_conditional


def test_a_source_of_channels_that_are_no_colours_is_advised_too(tmp_path) -> None:
    assert of(arrays(tmp_path, images=np.zeros((5, 8, 8, 2), np.uint8))).image_size == (8, 8)


def test_of_many_pictures_a_sample_is_read_always_the_same_and_all_are_counted(photos: Writer, monkeypatch) -> None:
    monkeypatch.setattr(glance, "_MOST", 7)
    folder, read = photos(30), []
    decode = glance.decode
    monkeypatch.setattr(
        glance, "decode", lambda path, *more, **named: read.append(path) or decode(path, *more, **named)
    )
    assert of(folder).count == 30
    assert len(read) == 7
    assert of(folder) == of(folder) and {*read} == {*read[:7]}


def test_large_photos_are_read_at_a_fraction_of_their_size_and_judged_by_their_own(tmp_path, monkeypatch) -> None:
    (folder := tmp_path / "photos").mkdir()
    for k in range(3):
        Image.radial_gradient("L").resize((900 + k, 700)).rotate(90 * k).save(folder / f"{k}.jpg")
    seen = []
    decode = glance.decode
    monkeypatch.setattr(glance, "decode", lambda *args, **named: seen.append(decode(*args, **named)) or seen[-1])
    assert of(folder, largest=256).image_size == (256, 256)
    assert all(64 <= min(decoded.image.size) < 128 for decoded in seen)


def test_every_setting_has_its_reason(photos: Writer) -> None:
    settings = ("image_size", "resize", "background", "horizontal_flip")
    reasons = of(photos(3)).reasons
    assert [*reasons] == [*(f"data.{name}" for name in settings), "network.class_conditional"] and all(reasons.values())


@pytest.mark.heavy
def test_fifty_thousand_pictures_take_seconds(tmp_path) -> None:
    start = time.process_time()
    of(arrays(tmp_path, images=np.random.default_rng(0).integers(0, 256, (50_000, 16, 16), dtype=np.uint8)))
    assert time.process_time() - start < 8
