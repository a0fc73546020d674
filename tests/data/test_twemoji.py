"""Emoji are read in Unicode's order, on white, each once; and of a package nothing is believed."""

import gzip
import hashlib
import io
import re
import struct
import tarfile
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from emoji_files import png, random_png, record
from PIL import Image, ImageOps
from typer.testing import CliRunner

from alphabar.cli.data import app
from alphabar.data import DataOptions, ImageSet, NoSplitError, detect, emoji_package, load, twemoji
from alphabar.errors import AlphabarError

Writer = Callable[..., Path]


def read(path: Path, **changes: Any) -> ImageSet:
    return load("twemoji", DataOptions(path=path, **changes))


def refusal(options: DataOptions) -> str:
    with warnings.catch_warnings(), pytest.raises(AlphabarError) as caught:
        warnings.simplefilter("error")
        load("twemoji", options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def on_white(content: bytes) -> np.ndarray:
    """(3, 64, 64), rounded to the nearest level, in exact arithmetic."""
    pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGBA")).astype(int).transpose(2, 0, 1)
    return (2 * (pixels[:3] * pixels[3] + 255 * (255 - pixels[3])) + 255) // 510


def solid(*levels: int) -> bytes:
    return png(Image.new("RGBA", (64, 64), levels))


# ---- what is read -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [True, False])
def test_pictures_are_in_unicodes_order_and_every_tenth_is_of_the_test_split(
    packed: bool, write_twemoji: Writer
) -> None:
    path = write_twemoji(25, packed)
    expected = {k: on_white(random_png(k)) for k in range(1, 26)}
    train, test = read(path), read(path, split="test")
    assert np.array_equal(train.images, np.stack([expected[k] for k in range(1, 26) if k not in (10, 20)]))
    assert np.array_equal(test.images, np.stack([expected[10], expected[20]]))


def test_classes_are_the_categories_in_unicodes_order_in_both_splits(write_twemoji: Writer) -> None:
    path = write_twemoji(20)
    train, test = read(path), read(path, split="test")
    assert train.class_names == test.class_names == ("Flags", "Smileys & Emotion")
    assert train.labels is not None and test.labels is not None
    assert train.labels.tolist() == [(k + 1) % 2 for k in range(1, 20) if k != 10]
    assert test.labels.tolist() == [1, 1]


def test_the_folder_may_be_the_one_that_npms_archive_unpacks_into(write_twemoji: Writer) -> None:
    package = write_twemoji(12, packed=False)
    assert read(package.parent).fingerprint() == read(package).fingerprint()
    assert detect(package) == detect(package.parent) == "twemoji"


@pytest.mark.parametrize(("alpha", "expected"), [(0, (255, 255, 255)), (128, (177, 127, 227)), (255, (100, 0, 200))])
def test_what_is_transparent_shows_white(alpha: int, expected: tuple[int, ...], write_twemoji: Writer) -> None:
    path = write_twemoji(1, pictures={"1f601.png": solid(100, 0, 200, alpha)})
    for background in ((0, 0, 0), (9, 9, 9)):
        image = read(path, background=background).images[0]
        assert image.unique(dim=1).shape == (3, 1, 64) and tuple(image[:, 0, 0].tolist()) == expected


def test_a_palette_with_transparent_entries_is_read(write_twemoji: Writer) -> None:
    image = Image.new("P", (64, 64))
    image.putpalette([10, 20, 30, 200, 100, 0, 1, 2, 3])
    image.putdata([k % 3 for k in range(64 * 64)])
    content = png(image, transparency=bytes([255, 0, 128]))
    found = read(write_twemoji(1, pictures={"1f601.png": content})).images[0, :, 0, :3]
    assert found.T.tolist() == [[10, 20, 30], [255, 255, 255], [128, 128, 129]]


def test_background_surrounds_and_halving_averages_over_white(write_twemoji: Writer) -> None:
    stripes = np.zeros((64, 64, 4), np.uint8)
    stripes[:, ::2, 3] = 255  # black, and transparent black
    path = write_twemoji(1, pictures={"1f601.png": png(Image.fromarray(stripes))})
    padded = read(path, image_size=(64, 70), resize="pad", background=(1, 2, 3)).images[0]
    assert padded[:, :, 0].T.unique(dim=0).tolist() == [[1, 2, 3]]
    halved = read(path, image_size=(32, 32), resize="crop").images[0, :, :, 4:-4]
    assert (halved.float() - 127.5).abs().max() < 3  # an aliased one would be black or white


@pytest.mark.parametrize("mirrored", [False, True])
def test_of_equal_pictures_the_first_stays(write_twemoji: Writer, mirrored: bool) -> None:
    same = random_png(0)
    picture = Image.open(io.BytesIO(same))
    again = png(ImageOps.mirror(picture) if mirrored else picture, compress_level=0)  # other bytes, the same pixels
    assert again != same
    path = write_twemoji(12, pictures={"1f603.png": same, "1f60a.png": again})
    train, test = read(path), read(path, split="test")
    assert (len(train), len(test)) == (10, 1)
    assert np.array_equal(train.images[2], on_white(same))
    assert np.array_equal(test.images[0], on_white(random_png(11)))


def test_swatches_and_what_twitter_did_not_draw_are_left_out(write_twemoji: Writer) -> None:
    records = [record(k) for k in range(1, 6)]
    records[1]["category"] = "Component"
    records[3] |= {"has_img_twitter": False, "image": "2640.png"}  # nor is there such a file
    records[4] |= {"skin_variations": {"1F3FB": {"image": "1f605-1f3fb.png"}}}
    found = read(write_twemoji(5, records=records, pictures={"1f605-1f3fb.png": random_png(99)}))
    assert np.array_equal(found.images, np.stack([on_white(random_png(k)) for k in (1, 3, 5)]))
    assert found.class_names == ("Flags",)


def test_too_few_emoji_have_no_test_split(write_twemoji: Writer) -> None:
    path = write_twemoji(9)
    assert len(read(path)) == 9
    with pytest.raises(NoSplitError, match=r"has 9 emoji: too few for data\.split=test"):
        read(path, split="test")


def test_an_archive_of_another_name_is_one_of_images_unless_one_says_what_it_is(write_twemoji: Writer) -> None:
    path = write_twemoji(3)
    assert detect(path) == "twemoji"
    path = path.rename(path.with_name("emoji.tgz"))
    assert detect(path) == "archive"
    assert len(read(path)) == 3


# ---- what is refused --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("records", "words"),
    [
        (b"", "its emoji.json is not JSON"),
        (b"\xff\xfe{", "its emoji.json is not JSON"),
        (b"[" * 200_000, "its emoji.json is not JSON"),
        ({}, "its emoji.json is not a list of emoji"),
        ([], "lists no emoji with a Twitter picture"),
        ([record(1, has_img_twitter=False)], "lists no emoji with a Twitter picture"),
        (["x"], "entry 0 of its emoji.json is not an emoji: 'image' is None"),
        ([record(1), record(2, image="../1f601.png")], "entry 1 .* is '../1f601.png', not a name like"),
        ([record(1, image="a" * 10**6)], "'image' is 'aaaa"),
        ([record(1, category="\x1b[31m")], "'category' is .* not a name"),
        ([record(1, category="")], "'category' is '', not a name"),
        ([record(1, sort_order=True)], "'sort_order' is True, not an integer"),
        ([record(1, sort_order=1.5)], "'sort_order' is 1.5"),
        ([record(9)], "it has no img/twitter/64/1f609.png, although its emoji.json lists it"),
    ],
)
@pytest.mark.parametrize("packed", [True, False])
def test_lists_that_are_none_are_refused(packed: bool, records: object, words: str, write_twemoji: Writer) -> None:
    found = refusal(DataOptions(path=write_twemoji(2, packed, records=records)))
    assert re.search(words, found), found
    assert len(found) < 400


def png_claiming(width: int, height: int) -> bytes:
    """A PNG whose header promises that many pixels of RGBA; its checksum is right."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    good = random_png(1)
    return good[:12] + header + struct.pack(">I", zlib.crc32(header)) + good[33:]


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (None, "it has no img/twitter/64/1f602.png"),
        (b"", "its 1f602.png is not a PNG"),
        (b"<svg/>", "its 1f602.png is not a PNG"),
        (random_png(2)[:500], "its 1f602.png cannot be decoded"),
        (random_png(2).replace(b"IDAT", b"IDAX"), "its 1f602.png"),
        (random_png(2, 32), "its 1f602.png is 32x32, not 64x64"),
        (png_claiming(10**5, 10**5), "its 1f602.png"),
        (png_claiming(10**4, 10**4), "its 1f602.png is 10000x10000, not 64x64"),
    ],
    ids=["none", "empty", "svg", "cut", "chunk", "small", "bomb", "large"],
)
def test_pictures_that_are_none_are_refused(picture: bytes | None, words: str, write_twemoji: Writer) -> None:
    assert words in refusal(DataOptions(path=write_twemoji(3, pictures={"1f602.png": picture})))


def test_damaged_and_strange_archives_are_refused(write_twemoji: Writer, tmp_path: Path) -> None:
    path = write_twemoji(4)
    whole = path.read_bytes()
    middle = len(whole) // 2
    for content in (b"", b"PK", gzip.compress(b"no tar"), whole[:middle]):
        path.write_bytes(content)
        assert "it is not a complete tar archive" in refusal(DataOptions(path=path))
    path.write_bytes(whole[:middle] + bytes(99) + whole[middle + 99 :])
    assert refusal(DataOptions(path=path))
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("package/README.md"))
    assert "it has no emoji.json; expected" in refusal(DataOptions(path=path))
    (tmp_path / "empty").mkdir()
    assert "it has no emoji.json; expected" in refusal(DataOptions(path=tmp_path / "empty"))
    assert "no such file" in refusal(DataOptions(path=tmp_path / "none.tgz"))


@pytest.mark.parametrize("packed", [True, False])
def test_no_more_is_kept_than_there_is_room_for(
    packed: bool, write_twemoji: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_twemoji(3, packed, pictures={"bomb.png": bytes(200_000)})
    assert len(read(path)) == 3
    monkeypatch.setattr(emoji_package, "ROOM", 200_000)
    assert "pictures take more than 0.2 MB" in refusal(DataOptions(path=path))


def test_a_list_that_would_fill_the_memory_is_refused_before_a_picture_is_decoded(
    write_twemoji: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_twemoji(1, records=[record(1)] * 500)
    monkeypatch.setattr("alphabar.data.memory.machine_bytes", lambda: 10_000_000)
    assert "does not fit" in refusal(DataOptions(path=path))


# ---- the published one ------------------------------------------------------------------------------------------


def test_by_name_the_archive_must_have_its_checksum(write_twemoji: Writer) -> None:
    path = write_twemoji(3)
    path.rename(path.with_name(twemoji.ARCHIVE))
    words = refusal(DataOptions(data_root=path.parent))
    assert "the published file's f64a530c63bc..." in words


def test_one_that_is_nowhere_says_where_it_was_sought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    words = refusal(DataOptions(data_root=tmp_path, download=False))
    for part in (str(tmp_path), str(tmp_path / "cache/alphabar/twemoji"), twemoji.URL):
        assert part in words


def test_a_download_is_checked_before_it_is_kept_and_found_again_after(
    write_twemoji: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Reply(io.BytesIO):
        length = 4

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("alphabar.data.download.urlopen", lambda *_, **__: Reply(b"evil"))
    assert "its sha256 is" in refusal(DataOptions())
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]

    content = write_twemoji(20).read_bytes()
    monkeypatch.setattr(twemoji, "_ARCHIVE_SHA256", hashlib.sha256(content).hexdigest())
    monkeypatch.setattr("alphabar.data.download.urlopen", lambda *_, **__: Reply(content))
    result = CliRunner().invoke(app, ["fetch", "twemoji"])
    kept = tmp_path / "cache/alphabar/twemoji" / twemoji.ARCHIVE
    assert [line.split(", ")[0] for line in result.output.splitlines()[-2:]] == [
        "twemoji train  18 images",
        "twemoji test  2 images",
    ]
    assert kept.read_bytes() == content
    assert len(load("twemoji", DataOptions(download=False))) == 18
