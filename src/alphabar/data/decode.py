"""Decodes one image file into an upright 8-bit image, grey, RGB or RGBA; a faulty file raises an error with the reason.

Depth   16-bit values are scaled to 8 bits, not clipped. 32-bit integers are read as 16-bit if the format or the values
        imply it. Floats must lie in 0..1. `data.white` says otherwise; other ranges are refused.
Alpha   Transparent images are composited on the background colour, unless 4 channels are requested.
EXIF    The orientation is applied. Colour profiles are ignored. `Header.notes` mentions them.
Frames  Only the first frame of an animation is read. `Header.notes` mentions it.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError, features

from alphabar.data.contents import Levels
from alphabar.data.depth import is_deep_colour
from alphabar.data.files import UnreadableError, open_regular, read_whole, shown
from alphabar.data.jpeg_end import ended
from alphabar.data.levels import eight_bit, levels
from alphabar.data.options import MEGAPIXEL, DataOptions
from alphabar.data.places import place
from alphabar.errors import AlphabarError
from alphabar.images import Size, TooLargeError, opened

_SUFFIXES = {
    "PNG": ".png .apng",
    "JPEG": ".jpg .jpeg .jpe .jfif .mpo",
    "WEBP": ".webp",
    "BMP": ".bmp",
    "DIB": ".dib",
    "TIFF": ".tif .tiff",
    "GIF": ".gif",
    "PPM": ".ppm .pgm .pbm .pnm .pfm",
}
if features.check_codec("jpg_2000"):
    _SUFFIXES["JPEG2000"] = ".jp2 .j2k .j2c .jpc .jpf .jpx"
if "avif" in features.modules and features.check_module("avif"):
    _SUFFIXES["AVIF"] = ".avif .avifs"

# Pillow goes by the content, not the suffix: without this list, an EPS file called x.png would run Ghostscript. Left
# out on purpose: formats that no mark distinguishes (TGA, PCX), that hold files of other formats (ICO, ICNS, DDS), that
# are decoded by slow Python (QOI), and those of printing and of science, whose level of white is not known.
FORMATS = tuple(_SUFFIXES)
SUFFIXES = frozenset(suffix for suffixes in _SUFFIXES.values() for suffix in suffixes.split())
MODES = {1: "L", 3: "RGB", 4: "RGBA"}

_ORIENTATION = 0x0112  # the EXIF tag
_UPRIGHT = {  # orientation -> the transform that turns the image upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
_GREY = ("1", "L", "LA", "La", "I", "F")
_SIXTEEN_BIT = ("PNG", "PPM", "JPEG2000")  # formats whose images in mode I have 16 bits
_WHITE = 255
_PROFILE = "colour profile ignored"
_FRAMES = "only the first of several frames is used"
_DEEP = "more than 8 bits per colour are read as 8"
_MOST_BYTES = 16  # per pixel of the limit; a file that is larger is not read


@dataclass(frozen=True)
class Header:
    """The properties of an image file, read without decoding its pixels. `size` is (H, W) of the upright image."""

    size: Size
    mode: str
    grey: bool
    notes: tuple[str, ...]

    @property
    def loses(self) -> str:
        """Why reading the image loses some of its values; empty if it does not."""
        return next((note for note in self.notes if note != _PROFILE), "")


@dataclass(frozen=True)
class Decoded:
    """An upright image in mode L, RGB or RGBA; the lowest and highest level that the file stores, and the white one."""

    image: Image.Image
    low: float
    high: float
    white: float
    transparent: bool
    """Whether any pixel is."""
    place: float | None = None
    """The `place` of what the file shows, if images are held out."""


def read_header(path: Path, limit_pixels: int) -> Header:
    """Reads the header of an image file, without decoding the pixels; raises UnreadableError."""
    with _opened(path, limit_pixels) as image:
        notes = []
        if "icc_profile" in image.info:
            notes.append(_PROFILE)
        if getattr(image, "is_animated", False):
            notes.append(_FRAMES)
        if is_deep_colour(image):
            notes.append(_DEEP)
        turned = _orientation(image) >= 5
        return Header(
            size=(image.width, image.height) if turned else (image.height, image.width),
            mode=image.mode,
            grey=_is_grey(image),
            notes=tuple(notes),
        )


def decode(
    path: Path, channels: int, options: DataOptions, least: int | None = None, content: bytes | None = None
) -> Decoded:
    """The image with 1, 3 or 4 channels; raises UnreadableError, and AlphabarError for a level above data.white.

    least: a side in pixels; a larger JPEG is decoded several times faster, at a half, quarter or eighth of its size,
    but no smaller than that.
    content: what the file holds, if it is no file on disk; `path` is its name then.
    """
    try:
        return _decoded(path, channels, options, None if content is None else io.BytesIO(content), least)
    except UnreadableError:
        if (data := _without_end(path, options.limit_pixels, content)) is None:
            raise
        if not options.jpeg_without_end:
            raise UnreadableError(
                path, "it is a JPEG that lacks only its end marker; data.jpeg_without_end=true takes such files"
            ) from None
        return _decoded(path, channels, options, io.BytesIO(data))


def converted(image: Image.Image, channels: int, options: DataOptions, path: Path) -> Decoded:
    """A Pillow image, upright, in mode L, RGB or RGBA for 1, 3 or 4 channels; errors name `path`."""
    upright = _UPRIGHT.get(_orientation(image))
    eight_bits, stored = _eight_bit(image, options.white, path)
    if upright is not None:
        eight_bits = eight_bits.transpose(upright)
    transparent = _is_transparent(eight_bits)
    where = place(np.asarray(eight_bits.convert("RGBA"))) if options.holdout else None
    if channels != 4 and transparent:
        canvas = Image.new("RGBA", eight_bits.size, (*options.background, 255))
        eight_bits = Image.alpha_composite(canvas, eight_bits.convert("RGBA"))
    picture = eight_bits.convert(MODES[channels])
    return Decoded(picture, stored.low, stored.high, stored.white, transparent, where)


def _decoded(
    path: Path, channels: int, options: DataOptions, data: BinaryIO | None = None, least: int | None = None
) -> Decoded:
    with _opened(path, options.limit_pixels, data) as image:
        if options.white is not None and is_deep_colour(image):
            raise AlphabarError(
                f"{shown(path)} has more than 8 bits per colour, of which 8 are read: too few for data.white; save it "
                "with 8 bits, white at 255."
            )
        if least is not None:
            image.draft(image.mode, (least, least))
        image.load()
        _check_palette(image, path)
        return converted(image, channels, options, path)


@contextmanager
def _opened(path: Path, limit_pixels: int, data: BinaryIO | None = None) -> Iterator[Image.Image]:
    """The image at `path`, whose contents are `data` if that is given."""
    with open_regular(path) if data is None else nullcontext(data) as file:
        size = file.seek(0, io.SEEK_END)
        if size == 0:
            raise UnreadableError(path, "the file is empty")
        if size > _MOST_BYTES * max(limit_pixels, MEGAPIXEL):
            raise UnreadableError(path, f"it has {size:,} bytes, more than an image within the limit of pixels has")
        file.seek(0)
        try:
            with opened(file, FORMATS, limit_pixels) as image:
                yield image
        except AlphabarError:
            raise
        except UnidentifiedImageError:
            raise UnreadableError(path, "it is not an image in a supported format") from None
        except TooLargeError as error:
            raise UnreadableError(path, _too_large(str(error), limit_pixels)) from None
        except Exception as error:  # Pillow's plugins raise almost anything when a file is malformed
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise UnreadableError(path, f"it cannot be decoded ({reason})") from error


def _without_end(path: Path, limit_pixels: int, content: bytes | None = None) -> bytes | None:
    """The contents of a JPEG that lacks nothing but its end marker, with the marker; None for any other file."""
    with (
        open_regular(path) if content is None else io.BytesIO(content) as file,
        suppress(OSError),
    ):  # of a failing disk, about which the caller has an error already
        if file.read(2) != b"\xff\xd8":
            return None
        file.seek(0)
        return ended(read_whole(file, _MOST_BYTES * max(limit_pixels, MEGAPIXEL)), limit_pixels)
    return None


def _too_large(pixels: str, limit: int) -> str:
    return f"it claims {pixels} pixels, more than the limit of {limit / MEGAPIXEL:g} megapixels"


def _orientation(image: Image.Image) -> int:
    if image.format == "TIFF":
        return 1  # Pillow itself turns TIFF images upright when it loads them
    return int(image.getexif().get(_ORIENTATION, 1))


def _is_grey(image: Image.Image) -> bool:
    if image.mode == "P":
        colours = np.array(image.getpalette("RGB")).reshape(-1, 3)
        return bool((colours == colours[:, :1]).all())
    return image.mode in _GREY or image.mode.startswith("I;16")


def _check_palette(image: Image.Image, path: Path) -> None:
    if image.mode in ("P", "PA"):
        highest = int(np.asarray(image.getchannel(0)).max())
        colours = len(image.getpalette("RGB") or ()) // 3
        if highest >= colours:
            raise UnreadableError(path, f"a pixel has colour {highest}, and its palette has {colours} colours")


def _eight_bit(image: Image.Image, white: float | None, path: Path) -> tuple[Image.Image, Levels]:
    """`image` with 8 bits per channel and in the scale where white is 255, and the levels that it stores."""
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        values = np.asarray(image)
        stored = _known_levels(values, image, path) if white is None else levels(values, white, shown(path))
        grey = Image.fromarray(eight_bit(values, stored.white))
        hidden = image.info.get("transparency")
        if isinstance(hidden, int) and (values == hidden).any():
            grey.putalpha(Image.fromarray(np.where(values == hidden, 0, 255).astype(np.uint8)))
        return grey, stored
    if image.mode == "1":  # packed depths keep the white of their format
        values = np.asarray(image)
        return image, Levels(float(values.min()), float(values.max()), 1.0)
    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        image = ImageCms.buildTransform(lab, srgb, "LAB", "RGB").apply(image)
    elif image.mode == "La":
        image = image.convert("LA")
    elif image.mode not in ("L", "LA", "RGB", "RGBA"):
        image = image.convert("RGBA" if image.mode in _ALPHA or "transparency" in image.info else "RGB")
    elif "transparency" in image.info:
        image = image.convert("LA" if image.mode == "L" else "RGBA")
    bands = image.split()
    colours = bands[: len(bands) - (image.mode in _ALPHA)]
    stored = levels(
        np.array([band.getextrema() for band in colours], np.uint8), 255.0 if white is None else white, shown(path)
    )
    if stored.white != 255:
        scaled = [Image.fromarray(eight_bit(np.asarray(band), stored.white)) for band in colours]
        image = Image.merge(image.mode, [*scaled, *bands[len(colours) :]])
    return image, stored


def _known_levels(values: np.ndarray, image: Image.Image, path: Path) -> Levels:
    """The levels of an image of 16 or 32 bits, if they leave no doubt about the level of white."""
    if image.mode.startswith("I;16"):
        return levels(values, 65535.0, shown(path))
    low, high = float(values.min()), float(values.max())
    if image.mode == "F":
        if not (low >= 0 and high <= 1):  # written with `not`, so that NaN is refused too
            raise UnreadableError(
                path,
                f"its float values run from {low:g} to {high:g}, so white is unknown; set data.white, or scale them "
                "to 0..1",
            )
        return Levels(low, high, 1.0)
    if low < 0 or high > 65535 or (high < 256 and image.format not in _SIXTEEN_BIT):
        raise UnreadableError(
            path,
            f"its 32-bit values run from {low:.0f} to {high:.0f}, so white is unknown; set data.white, or save it with "
            "8 or 16 bits",
        )
    return Levels(low, high, 65535.0)


def _is_transparent(image: Image.Image) -> bool:
    return image.mode in _ALPHA and image.getchannel("A").getextrema() != (255, 255)
