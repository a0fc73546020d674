"""`data.white` says which stored level is white; nothing is clipped, and what lies above it is a sentence."""

import base64
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from alphabar.data import DataOptions, load
from alphabar.data.contents import Contents, Levels
from alphabar.data.decode import decode, read_header
from alphabar.errors import AlphabarError

RAMP = np.linspace(0, 1, 40).reshape(5, 8)


def write(folder: Path, white: float, kind: str) -> Path:
    """A ramp from black to `white` in a file of a kind."""
    folder.mkdir(exist_ok=True)
    levels = np.rint(RAMP * white)
    if kind == "16-bit png":
        Image.fromarray(levels.astype(np.uint16)).save(folder / "a.png")
    elif kind == "16-bit tiff":
        Image.fromarray(levels.astype(np.uint16)).save(folder / "a.tif")
    elif kind == "32-bit tiff":
        Image.fromarray(levels.astype(np.int32)).save(folder / "a.tif")
    elif kind == "float tiff":
        Image.fromarray((RAMP * white).astype(np.float32)).save(folder / "a.tif")
    elif kind == "8-bit png":
        Image.fromarray(levels.astype(np.uint8)).save(folder / "a.png")
    elif kind == "colour png":
        Image.fromarray(np.stack([levels] * 3, axis=2).astype(np.uint8)).save(folder / "a.png")
    elif kind == "transparent png":
        alpha = np.full((5, 8), 255)
        Image.fromarray(np.stack([levels, levels, levels, alpha], axis=2).astype(np.uint8)).save(folder / "a.png")
    elif kind == "palette png":
        image = Image.fromarray(np.arange(40, dtype=np.uint8).reshape(5, 8))
        image.putpalette(np.repeat(levels.reshape(-1, 1), 3, axis=1).astype(np.uint8).reshape(-1).tolist())
        image.save(folder / "a.png")
    return folder


@pytest.mark.parametrize(
    ("kind", "white"),
    [
        ("16-bit png", 4095),
        ("16-bit png", 1023),
        ("16-bit tiff", 4095),
        ("16-bit tiff", 1),
        ("32-bit tiff", 4095),
        ("32-bit tiff", 100_000),
        ("float tiff", 255),
        ("float tiff", 0.5),
        ("8-bit png", 1),
        ("8-bit png", 15),
        ("colour png", 31),
        ("transparent png", 63),
        ("palette png", 127),
    ],
)
def test_the_white_level_of_a_file_becomes_white_and_black_stays_black(kind: str, white: float, tmp_path: Path) -> None:
    images = load("folder", DataOptions(path=write(tmp_path / "d", white, kind), white=white, channels=1))
    found = images.images[0, 0].numpy()
    stored = RAMP * white if kind == "float tiff" else np.rint(RAMP * white)
    assert np.abs(found - stored / white * 255).max() <= 1
    assert (found.min(), found.max()) == (0, 255)
    assert images.contents.levels is not None
    assert (images.contents.levels.low, images.contents.levels.high, images.contents.levels.white) == (0, white, white)


@pytest.mark.parametrize("kind", ["16-bit png", "16-bit tiff", "32-bit tiff", "float tiff", "8-bit png", "colour png"])
def test_a_level_above_white_is_a_sentence_with_the_level_and_no_image_is_skipped_for_it(
    kind: str, tmp_path: Path
) -> None:
    folder = write(tmp_path / "d", 200, kind)
    for k in range(40):  # one of 41 would be few enough to be skipped
        Image.new("L", (8, 5), 1).save(folder / f"dark{k}.png")
    with pytest.raises(AlphabarError, match=r"levels from 0 to 200, and white is 100; set data\.white"):
        load("folder", DataOptions(path=folder, white=100))


@pytest.mark.parametrize(("kind", "white"), [("8-bit png", 4095), ("colour png", 256), ("16-bit png", 65536)])
def test_a_white_that_the_type_cannot_reach_is_a_sentence(kind: str, white: float, tmp_path: Path) -> None:
    with pytest.raises(AlphabarError, match=rf"cannot reach data\.white={white}"):
        load("folder", DataOptions(path=write(tmp_path / "d", 200, kind), white=white))
    np.save(tmp_path / "a.npy", np.zeros((2, 8, 8), np.uint16 if kind == "16-bit png" else np.uint8))
    with pytest.raises(AlphabarError, match=rf"cannot reach data\.white={white}"):
        load("npz", DataOptions(path=tmp_path / "a.npy", white=white))


def test_without_a_white_the_type_says_it(tmp_path: Path) -> None:
    for kind, white in (("16-bit png", 65535), ("8-bit png", 255), ("float tiff", 1)):
        images = load("folder", DataOptions(path=write(tmp_path / kind, white, kind)))
        assert (int(images.images.min()), int(images.images.max())) == (0, 255)
        assert images.contents.levels is not None
        assert images.contents.levels.white == white


def test_images_of_one_bit_keep_the_white_of_their_format(tmp_path: Path) -> None:
    Image.new("1", (4, 4), 1).save(tmp_path / "a.png")
    for white in (None, 1.0, 255.0):
        decoded = decode(tmp_path / "a.png", 1, DataOptions(white=white))
        assert (np.asarray(decoded.image) == 255).all()
        assert (decoded.low, decoded.high, decoded.white) == (1, 1, 1)


DEEP = "more than 8 bits per colour are read as 8"


def test_colours_of_16_bits_are_noted_and_too_coarse_for_a_white(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row = b"\0" + b"\x0f\xff" * 3 * 4
    (tmp_path / "a.png").write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(row * 4))
        + chunk(b"IEND", b"")
    )
    assert read_header(tmp_path / "a.png", 100).notes == (DEEP,)
    with pytest.raises(AlphabarError, match=r"too few for data\.white"):
        decode(tmp_path / "a.png", 3, DataOptions(white=4095))


AVIF = (
    "AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUEAAADybWV0YQAAAAAAAAAoaGRscgAAAAAAAAAAcGljdAAAAAAAAAAAAAAAAGxpYmF2"
    "aWYAAAAADnBpdG0AAAAAAAEAAAAeaWxvYwAAAABEAAABAAEAAAABAAABGgAAADkAAAAoaWluZgAAAAAAAQAAABppbmZlAgAAAAABAABhdjAx"
    "Q29sb3IAAAAAamlwcnAAAABLaXBjbwAAABRpc3BlAAAAAAAAAAQAAAAEAAAAEHBpeGkAAAAAAwoKCgAAAAxhdjFDgSBAAAAAABNjb2xybmNs"
    "eAABAA0ABoAAAAAXaXBtYQAAAAAAAAABAAEEAQKDBAAAAEFtZGF0EgAKCDgEfYwENBpAMisWQAkkkkQARnlqBDW1zb0VV9q2aSxymd5D/hZk"
    "dYQIqvftgbYgkX3xiDmA"
)
"""4×4 colours of 10 bits, by avifenc 0.11."""
JPEG_2000 = (
    "AAAADGpQICANCocKAAAAFGZ0eXBqcDIgAAAAAGpwMiAAAAAtanAyaAAAABZpaGRyAAAABAAAAAQAAw8HAAAAAAAPY29scgEAAAAAABAAAADe"
    "anAyY/9P/1EALwAAAAAABAAAAAQAAAAAAAAAAAAAAAQAAAAEAAAAAAAAAAAAAw8BAQ8BAQ8BAf9SAAwAAAABAQAEBAAB/1wABECA/2QAJQAB"
    "Q3JlYXRlZCBieSBPcGVuSlBFRyB2ZXJzaW9uIDIuNS4w/5AACgAAAAAAZgAB/5PP/DB0ER22dp4qG47BSxeO1ZIhlal2n/v41YKKDJ1AZ4Pf"
    "+JDoAMsjztlwoUQAXFuDvS4ZVTSnyt6jcRR+yxwPan/f+JCQAP2IYUMLC+fLcNAXEOi3WjhL/9k="
)
"""4×4 colours of 16 bits, by opj_compress 2.5."""


@pytest.mark.parametrize(("feature", "name", "data"), [("avif", "a.avif", AVIF), ("jpg_2000", "a.jp2", JPEG_2000)])
def test_colours_of_more_bits_in_other_formats_are_noted(feature: str, name: str, data: str, tmp_path: Path) -> None:
    if not features.check(feature):
        pytest.skip(f"Pillow was built without {feature}")
    (tmp_path / name).write_bytes(base64.b64decode(data))
    assert read_header(tmp_path / name, 100).notes == (DEEP,)
    assert decode(tmp_path / name, 3, DataOptions()).image.size == (4, 4)
    with pytest.raises(AlphabarError, match=r"too few for data\.white"):
        decode(tmp_path / name, 3, DataOptions(white=1023))
    Image.new("RGB", (4, 4)).save(tmp_path / name)
    assert not read_header(tmp_path / name, 100).notes


def test_a_transparent_level_of_16_bits_is_transparent(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 4000]], np.uint16)).save(tmp_path / "a.png", transparency=4000)
    decoded = decode(tmp_path / "a.png", 1, DataOptions(background=(255, 255, 255)))
    assert decoded.transparent
    assert np.asarray(decoded.image).tolist() == [[0, 255]]


# ---- arrays -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "white"),
    [
        (np.array([0, 1], np.uint8), 1),
        (np.array([0, 2048, 4095], np.uint16), 4095),
        (np.array([0, 65535], np.uint16), None),
        (np.array([False, True]), None),
        (np.array([0, 200, 255], np.int64), 255),
        (np.array([0, 0.25, 1], np.float32), 1),
        (np.array([0, 255], np.float64), 255),
    ],
)
def test_levels_of_arrays_are_scaled_to_white(values: np.ndarray, white: float | None, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.broadcast_to(values[:, None, None, None], (len(values), 6, 6, 1)))
    images = load("npz", DataOptions(path=tmp_path / "a.npy", white=white)).images[:, 0, 0, 0]
    full = white or {"uint16": 65535, "bool": 1}[values.dtype.name]
    assert images.tolist() == np.rint(values * (255 / full)).astype(int).tolist()


@pytest.mark.parametrize("kind", [np.int64, np.int8, np.int16])
def test_numbers_without_a_known_white_are_refused_by_naming_the_setting(kind: type, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 8, 8), kind))
    with pytest.raises(AlphabarError, match=rf"{np.dtype(kind)} values.*set data\.white"):
        load("npz", DataOptions(path=tmp_path / "a.npy"))


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("black", [0, -1])
def test_floats_are_read_in_the_range_that_they_fill_and_it_is_said(kind: type, black: int, tmp_path: Path) -> None:
    bytes_ = np.arange(256, dtype=np.uint8)
    values = (bytes_ / 255 if black == 0 else bytes_ / 127.5 - 1).astype(kind)
    np.savez(tmp_path / "a.npz", faces=np.broadcast_to(values[:, None, None], (256, 8, 8)), ages=np.ones(256))
    images = load("npz", DataOptions(path=tmp_path / "a.npz"))
    assert images.images[:, 0, 0, 0].tolist() == bytes_.tolist()
    said = {0: "levels 0 to 1 (white is 1)", -1: "levels -1 to 1 (black is -1 and white is 1)"}
    assert said[black] in images.described() and not images.contents.warning


@pytest.mark.parametrize("values", [[0, 1.5], [-2, 1], [0, np.nan], [0, np.inf], [-np.inf, 0]])
def test_floats_outside_the_usual_ranges_are_refused_by_naming_them(values: list[float], tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.broadcast_to(np.array(values, np.float64)[:, None, None], (2, 8, 8)))
    with pytest.raises(AlphabarError, match=r"float64 values from .* not in \[0, 1\] or \[-1, 1\]; set data\.white"):
        load("npz", DataOptions(path=tmp_path / "a.npy"))


@pytest.mark.parametrize("values", [[-1, 1], [0, 300], [0, np.nan], [0, np.inf]])
def test_levels_of_arrays_outside_black_and_white_are_refused(values: list[float], tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.broadcast_to(np.array(values)[:, None, None], (2, 8, 8)))
    with pytest.raises(AlphabarError, match=r"and white is 255; set data\.white"):
        load("npz", DataOptions(path=tmp_path / "a.npy", white=255))


def test_masks_in_idx_files_are_scaled_too(tmp_path: Path) -> None:
    header = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 5])
    (tmp_path / "train-images-idx3-ubyte").write_bytes(header + bytes(25) + bytes([1]) * 25)
    images = load("idx", DataOptions(path=tmp_path, white=1))
    assert images.images[:, 0, 0, 0].tolist() == [0, 255]
    assert images.contents.levels is not None
    assert images.contents.levels.white == 1


@pytest.mark.parametrize("white", [0.0, -1.0, float("nan"), float("inf")])
def test_white_must_be_a_level_above_black(white: float) -> None:
    with pytest.raises(AlphabarError, match=r"data\.white must be a level above 0"):
        DataOptions(white=white)


@pytest.mark.parametrize(
    ("high", "white", "likely"), [(4084, 65535, 4095), (4095, 65535, 4095), (1, 255, 1), (0, 255, 1), (0.2, 1, 0.2)]
)
def test_dark_images_are_a_warning_that_names_the_white_of_their_depth(
    high: float, white: float, likely: float
) -> None:
    warning = Contents(levels=Levels(0, high, white)).warning
    assert f"data.white={likely:g}" in warning
    assert Contents(levels=Levels(0, white / 2, white)).warning == ""
