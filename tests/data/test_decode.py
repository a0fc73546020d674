"""Every kind of image file becomes the picture that a person would see, or a reason."""

import io
import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, __version__

from alphabar.data import DataOptions
from alphabar.data.decode import decode, read_header
from alphabar.data.files import UnreadableError

PILLOW = int(__version__.split(".")[0])
LIMIT = 64_000_000
BLACK = (0, 0, 0)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def pixels(path: Path, channels: int = 3, background: tuple[int, int, int] = BLACK) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(decode(path, channels, DataOptions(background=background)).image).astype(int)


def error(found: np.ndarray, expected: Image.Image) -> float:
    return float(np.abs(found - np.asarray(expected).astype(int)).mean())


def reason(path: Path, limit: int = LIMIT) -> str:
    with pytest.raises(UnreadableError) as caught, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read_header(path, limit)
        decode(path, 3, DataOptions(limit_pixels=limit))
    assert "\n" not in str(caught.value)
    return caught.value.reason


@pytest.mark.parametrize(
    ("mode", "suffix", "tolerance"),
    [
        ("1", ".png", 0),
        ("L", ".png", 0),
        ("L", ".jpg", 4),
        ("LA", ".png", 0),
        ("P", ".png", 0),
        ("P", ".gif", 0),
        ("RGB", ".png", 0),
        ("RGB", ".jpg", 4),
        ("RGB", ".bmp", 0),
        ("RGB", ".tif", 0),
        ("RGB", ".webp", 4),
        ("RGBA", ".png", 0),
        ("RGBA", ".webp", 4),
        ("CMYK", ".tif", 2),
        ("CMYK", ".jpg", 4),
        pytest.param(
            "YCbCr", ".tif", 2, marks=pytest.mark.skipif(PILLOW < 13, reason="Pillow 13 was the first to read it")
        ),
        ("I", ".tif", 1),
        ("I;16", ".png", 1),
        ("I;16", ".tif", 1),
        ("I;16B", ".tif", 1),
        ("F", ".tif", 1),
        ("LAB", ".tif", 3),
    ],
)
def test_every_mode_shows_the_same_picture(
    mode: str, suffix: str, tolerance: float, picture: Image.Image, tmp_path: Path
) -> None:
    grey = mode in ("1", "L", "LA", "I", "F") or mode.startswith("I;16")
    seen = picture.convert("L") if grey else picture
    levels = np.asarray(picture.convert("L")).astype(np.uint16) * 257
    if mode == "1":
        stored = seen = seen.point(lambda level: 255 * (level > 100)).convert("1")
    elif mode == "P":
        stored = picture.quantize(64)
        seen = stored.convert("RGB")
    elif mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        stored = ImageCms.applyTransform(picture, ImageCms.buildTransform(srgb, lab, "RGB", "LAB"))
    elif mode == "F":
        stored = Image.fromarray(levels.astype(np.float32) / 65535)
    elif mode == "I":
        stored = Image.fromarray(levels.astype(np.int32))
    elif mode.startswith("I;16"):
        stored = Image.frombytes(mode, picture.size, levels.astype(">u2" if mode == "I;16B" else "<u2").tobytes())
    else:
        stored = seen.convert(mode)
    path = tmp_path / f"image{suffix}"
    stored.save(path, **({"quality": 95} if suffix in (".jpg", ".webp") else {}))
    assert error(pixels(path), seen.convert("RGB")) <= tolerance
    assert read_header(path, LIMIT).size == (16, 24)
    assert read_header(path, LIMIT).grey == grey


def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 256 * 4).astype(np.uint16).reshape(4, 256)
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    assert np.abs(pixels(tmp_path / "ramp.png", 1) - ramp / 257).max() <= 0.5


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.array([[0.0, 255.0]], np.float32), "from 0 to 255"),
        (np.array([[np.nan, 0.5]], np.float32), "nan"),
        (np.array([[-1.0, 1.0]], np.float32), "from -1 to 1"),
        (np.array([[0, 70000]], np.int32), "from 0 to 70000"),
        (np.array([[0, 200]], np.int32), "from 0 to 200"),
        (np.array([[-5, 300]], np.int32), "from -5 to 300"),
    ],
)
def test_ranges_without_a_known_white_are_refused_by_name(values: np.ndarray, words: str, tmp_path: Path) -> None:
    Image.fromarray(values).save(tmp_path / "odd.tif")
    assert words in reason(tmp_path / "odd.tif")


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L+tRNS"])
def test_what_is_transparent_shows_the_declared_background(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "hidden.png"
    if mode == "P":
        image = Image.new("P", (4, 4), 1)
        image.putpalette([0, 0, 0, 255, 0, 0])
        image.save(path, transparency=1)
    elif mode == "L+tRNS":
        Image.new("L", (4, 4), 77).save(path, transparency=77)
    else:
        Image.new("RGBA", (4, 4), (255, 0, 0, 0)).convert(mode).save(path)
    assert (pixels(path, 3, (10, 20, 30)) == [10, 20, 30]).all()
    assert (pixels(path, 1, (50, 50, 50)) == 50).all()
    assert (pixels(path, 4)[..., 3] == 0).all()


def test_half_transparent_pixels_mix_with_the_background(tmp_path: Path) -> None:
    Image.new("RGBA", (2, 2), (255, 0, 0, 128)).save(tmp_path / "half.png")
    assert np.abs(pixels(tmp_path / "half.png", 3, (0, 0, 255)) - [128, 0, 127]).max() <= 1


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_once(orientation: int, suffix: str, picture: Image.Image, tmp_path: Path) -> None:
    turn = Image.Transpose
    undo = [None, turn.FLIP_LEFT_RIGHT, turn.ROTATE_180, turn.FLIP_TOP_BOTTOM]
    undo += [turn.TRANSPOSE, turn.ROTATE_90, turn.TRANSVERSE, turn.ROTATE_270]
    way = undo[orientation - 1]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"turned{suffix}"
    (picture if way is None else picture.transpose(way)).save(
        path, exif=exif, **({} if suffix == ".tif" else {"quality": 95})
    )
    assert read_header(path, LIMIT).size == (16, 24)
    assert error(pixels(path), picture) <= 4


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".tif"])
def test_only_the_first_of_several_frames_is_read_and_that_is_noted(
    suffix: str, picture: Image.Image, tmp_path: Path
) -> None:
    path = tmp_path / f"film{suffix}"
    first = picture.quantize(64).convert("RGB")
    first.save(path, save_all=True, append_images=[Image.new("RGB", picture.size)] * 3)
    assert error(pixels(path), first) <= (8 if suffix == ".webp" else 0)  # animated WebP is lossy here
    assert any("first" in note for note in read_header(path, LIMIT).notes)


def test_a_colour_profile_is_noted(picture: Image.Image, tmp_path: Path) -> None:
    picture.save(tmp_path / "srgb.png", icc_profile=SRGB)
    assert read_header(tmp_path / "srgb.png", LIMIT).notes == ("colour profile ignored",)
    assert error(pixels(tmp_path / "srgb.png"), picture) == 0


def png_that_claims(width: int, height: int) -> bytes:
    """A valid PNG header with next to nothing behind it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [9000, 13000, 40000])
def test_a_decompression_bomb_is_refused_from_its_header(side: int, tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(png_that_claims(side, side))
    assert "64 megapixels" in reason(tmp_path / "bomb.png")


def test_the_limit_of_pixels_is_the_callers(picture: Image.Image, tmp_path: Path) -> None:
    picture.save(tmp_path / "a.png")
    assert "limit" in reason(tmp_path / "a.png", limit=16 * 24 - 1)
    assert read_header(tmp_path / "a.png", limit_pixels=16 * 24).size == (16, 24)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".gif", ".tif", ".bmp"])
def test_a_truncated_file_has_a_reason_wherever_it_is_cut(suffix: str, picture: Image.Image, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    picture.save(buffer, format=Image.registered_extensions()[suffix])
    path = tmp_path / f"cut{suffix}"
    for share in (0.02, 0.3, 0.7):
        path.write_bytes(buffer.getvalue()[: int(share * len(buffer.getvalue()))])
        assert reason(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "not an image"),
        (np.random.default_rng(0).bytes(5000), "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\nshowpage\n", "not an image"),
    ],
    ids=["empty", "html", "random", "postscript"],
)
def test_what_is_no_image_has_a_reason(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "fake.png").write_bytes(content)
    assert words in reason(tmp_path / "fake.png")


def test_what_is_no_regular_file_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "dangling.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    (tmp_path / "folder.png").mkdir()
    assert "regular" in reason(tmp_path / "pipe.png")  # opening it would wait for ever for a writer
    assert "regular" in reason(Path("/dev/zero"))
    assert "broken symbolic link" in reason(tmp_path / "dangling.png")
    assert reason(tmp_path / "loop.png")
    assert "folder" in reason(tmp_path / "folder.png")
