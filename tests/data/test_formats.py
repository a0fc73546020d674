"""The formats of image files that are read are a closed list, and JPEGs without an end are taken on request."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alphabar.data import DataOptions, load
from alphabar.data.decode import FORMATS, SUFFIXES, decode, read_header
from alphabar.data.files import UnreadableError

RUN_PROGRAMS_OR_PLUGINS = {"EPS", "WMF", "PSD", "FPX", "MIC", "GRIB", "HDF5", "BUFR", "FITS", "MPEG", "ICO", "ICNS"}


@pytest.mark.parametrize(
    ("suffix", "tolerance"),
    [
        (".jfif", 4),
        (".jpe", 4),
        (".JPG", 4),
        (".mpo", 4),
        (".ppm", 0),
        (".pnm", 0),
        (".pgm", 0),
        (".pbm", 0),
        (".dib", 0),
        (".apng", 0),
        (".jp2", 0),
        (".j2k", 0),
        (".avif", 4),
    ],
)
def test_a_folder_reads_files_of_every_usual_suffix(
    suffix: str, tolerance: float, picture: Image.Image, tmp_path: Path
) -> None:
    if suffix in (".jp2", ".j2k", ".avif") and suffix not in SUFFIXES:
        pytest.skip("this Pillow was built without the format")
    stored = {".pgm": picture.convert("L"), ".pbm": picture.convert("1")}.get(suffix, picture)
    stored.save(tmp_path / f"a{suffix}", **({"quality": 95} if tolerance else {}))
    images = load("folder", DataOptions(path=tmp_path, channels=3)).images[0].permute(1, 2, 0).numpy().astype(int)
    assert np.abs(images - np.asarray(stored.convert("RGB"))).mean() <= tolerance


def test_a_pgm_of_12_bits_is_scaled_by_its_own_maximum(tmp_path: Path) -> None:
    levels = np.array([[0, 1000, 2048, 4095]], ">u2")
    (tmp_path / "a.pgm").write_bytes(b"P5 4 1 4095\n" + levels.tobytes())
    assert np.abs(np.asarray(decode(tmp_path / "a.pgm", 1, DataOptions()).image) - levels / 4095 * 255).max() <= 1


def test_a_dark_pgm_of_16_bits_is_no_riddle(tmp_path: Path) -> None:
    (tmp_path / "a.pgm").write_bytes(b"P5 2 1 65535\n" + np.array([0, 100], ">u2").tobytes())
    decoded = decode(tmp_path / "a.pgm", 1, DataOptions())
    assert (decoded.high, decoded.white) == (100, 65535)


def test_no_format_that_starts_a_program_or_holds_other_files_is_ever_opened() -> None:
    assert not RUN_PROGRAMS_OR_PLUGINS & set(FORMATS)


@pytest.mark.parametrize("format", ["TGA", "ICO", "PCX", "SGI", "MSP", "EPS", "PDF", "ICNS", "QOI"])
def test_other_formats_are_refused_whatever_their_suffix_says(format: str, tmp_path: Path) -> None:
    image = Image.new("1" if format == "MSP" else "RGB", (32, 32), 1)
    for name in ("a.png", "a.ppm"):
        image.save(tmp_path / name, format=format)
        with pytest.raises(UnreadableError, match="not an image in a supported format"):
            read_header(tmp_path / name, 10_000)


def test_a_pixel_beyond_the_palette_is_refused_by_its_number(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1], [2, 200]], np.uint8))
    image.putpalette([0, 0, 0, 9, 9, 9, 99, 99, 99] + [7] * (253 * 3))
    image.save(tmp_path / "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    place = whole.index(b"PLTE")
    palette = b"PLTE" + bytes([0, 0, 0, 9, 9, 9, 99, 99, 99])
    length = int.from_bytes(whole[place - 4 : place], "big")
    short = struct.pack(">I", 9) + palette + struct.pack(">I", zlib.crc32(palette))
    (tmp_path / "a.png").write_bytes(whole[: place - 4] + short + whole[place + 8 + length :])
    with pytest.raises(UnreadableError, match="a pixel has colour 200, and its palette has 3 colours"):
        decode(tmp_path / "a.png", 3, DataOptions())


# ---- JPEGs without an end -----------------------------------------------------------------------------------------

KINDS: dict[str, dict[str, object]] = {
    "baseline": {},
    "progressive": {"progressive": True},
    "full chroma": {"subsampling": 0},
    "optimised": {"optimize": True},
    "restarts": {"restart_marker_rows": 1},
}


def jpeg(kind: str, grey: bool = False, size: tuple[int, int] = (40, 60)) -> bytes:
    shape = size if grey else (*size, 3)
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)).save(
        buffer, "JPEG", **KINDS[kind]
    )
    return buffer.getvalue()


@pytest.mark.parametrize("cut", [1, 2], ids=["half the marker", "the marker"])
@pytest.mark.parametrize("grey", [True, False], ids=["grey", "colour"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_jpeg_that_lacks_only_its_end_is_refused_by_naming_the_setting_that_takes_it_whole(
    kind: str, grey: bool, cut: int, tmp_path: Path
) -> None:
    whole, path = jpeg(kind, grey), tmp_path / "a.jpg"
    path.write_bytes(whole[:-cut])
    with pytest.raises(UnreadableError, match=r"data\.jpeg_without_end=true"):
        decode(path, 3, DataOptions())
    taken = decode(path, 3, DataOptions(jpeg_without_end=True)).image
    assert np.array_equal(np.asarray(taken), np.asarray(Image.open(io.BytesIO(whole)).convert("RGB")))


@pytest.mark.parametrize("kind", KINDS)
def test_a_jpeg_that_lacks_pixels_is_refused_whatever_is_set(kind: str, tmp_path: Path) -> None:
    whole, path = jpeg(kind), tmp_path / "a.jpg"
    true = np.asarray(Image.open(io.BytesIO(whole)).convert("RGB"))
    taken = 0
    for cut in [*range(3, 40), *range(40, len(whole), 97)]:
        path.write_bytes(whole[:-cut])
        try:
            found = decode(path, 3, DataOptions(jpeg_without_end=True)).image
        except UnreadableError as error:
            assert "jpeg_without_end" not in error.reason
        else:  # the last bits may code nothing that is seen
            taken += 1
            assert np.array_equal(np.asarray(found), true)
    assert taken <= 1


def test_a_progressive_jpeg_without_its_last_scans_is_refused(tmp_path: Path) -> None:
    whole, path = jpeg("progressive"), tmp_path / "a.jpg"
    scans = [k for k in range(len(whole)) if whole[k : k + 2] == b"\xff\xda"]
    assert len(scans) > 3
    for scan in scans[1:]:
        path.write_bytes(whole[:scan])
        with pytest.raises(UnreadableError):
            decode(path, 3, DataOptions(jpeg_without_end=True))


def test_a_folder_of_jpegs_without_ends_is_taken_on_request(tmp_path: Path) -> None:
    for k in range(3):
        (tmp_path / f"{k}.jpg").write_bytes(jpeg("baseline")[:-2])
    assert len(load("folder", DataOptions(path=tmp_path, jpeg_without_end=True))) == 3
