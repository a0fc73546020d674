"""Decodes one image file into an upright 8-bit image, grey, RGB or RGBA; a faulty file raises an error with the reason.

Depth   16-bit values are scaled to 8 bits, not clipped. 32-bit integers are read as 16-bit if the format (PNG) or the
        values imply it. Floats must lie in 0..1. Other ranges are refused: it is unknown which value means white.
Alpha   Transparent images are composited on the background colour, unless 4 channels are requested.
EXIF    The orientation is applied. Colour profiles are ignored. `Header.notes` mentions them.
Frames  Only the first frame of an animation is read. `Header.notes` mentions it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from alphabar.data.files import UnreadableError, open_regular
from alphabar.data.options import MEGAPIXEL
from alphabar.images import Colour, Size, TooLargeError, opened

# Pillow goes by the content, not the suffix: without this list, an EPS file called x.png would run Ghostscript.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "TIFF", "GIF")
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif"})
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


@dataclass(frozen=True)
class Header:
    """The properties of an image file, read without decoding its pixels. `size` is (H, W) of the upright image."""

    size: Size
    mode: str
    grey: bool
    notes: tuple[str, ...]


def read_header(path: Path, limit_pixels: int) -> Header:
    """Reads the header of an image file, without decoding the pixels; raises UnreadableError."""
    with _opened(path, limit_pixels) as image:
        notes = []
        if "icc_profile" in image.info:
            notes.append("colour profile ignored")
        if getattr(image, "is_animated", False):
            notes.append("only the first of several frames is used")
        turned = _orientation(image) >= 5
        return Header(
            size=(image.width, image.height) if turned else (image.height, image.width),
            mode=image.mode,
            grey=_is_grey(image),
            notes=tuple(notes),
        )


@dataclass(frozen=True)
class Decoded:
    """An upright image in mode L, RGB or RGBA; the lowest and highest level that the file stores, and the white one."""

    image: Image.Image
    low: float
    high: float
    white: float
    transparent: bool
    """Whether any pixel is."""


def decode(path: Path, channels: int, background: Colour, limit_pixels: int) -> Decoded:
    """The image with 1, 3 or 4 channels; raises UnreadableError."""
    with _opened(path, limit_pixels) as image:
        image.load()
        return Decoded(converted(image, channels, background, path), *_levels(image), _is_transparent(image))


def converted(image: Image.Image, channels: int, background: Colour, path: Path) -> Image.Image:
    """A Pillow image, upright, in mode L, RGB or RGBA for 1, 3 or 4 channels; UnreadableError names `path`."""
    upright = _UPRIGHT.get(_orientation(image))
    eight_bit = _eight_bit(image, path)
    if upright is not None:
        eight_bit = eight_bit.transpose(upright)
    if channels != 4 and (eight_bit.mode in _ALPHA or "transparency" in eight_bit.info):
        canvas = Image.new("RGBA", eight_bit.size, (*background, 255))
        eight_bit = Image.alpha_composite(canvas, eight_bit.convert("RGBA"))
    return eight_bit.convert(MODES[channels])


@contextmanager
def _opened(path: Path, limit_pixels: int) -> Iterator[Image.Image]:
    with open_regular(path) as file:
        if not file.read(1):
            raise UnreadableError(path, "the file is empty")
        file.seek(0)
        try:
            with opened(file, FORMATS, limit_pixels) as image:
                yield image
        except UnreadableError:
            raise
        except UnidentifiedImageError:
            raise UnreadableError(path, "it is not an image in a supported format") from None
        except TooLargeError as error:
            raise UnreadableError(path, _too_large(str(error), limit_pixels)) from None
        except Exception as error:  # Pillow's plugins raise almost anything when a file is malformed
            raise UnreadableError(path, f"it cannot be decoded ({str(error) or type(error).__name__})") from error


def _too_large(pixels: str, limit: int) -> str:
    return f"it claims {pixels} pixels, more than the limit of {limit / MEGAPIXEL:g} megapixels"


def _orientation(image: Image.Image) -> int:
    if image.format == "TIFF":
        return 1  # Pillow itself turns TIFF images upright when it loads them
    return int(image.getexif().get(_ORIENTATION, 1))


def _is_grey(image: Image.Image) -> bool:
    if image.mode == "P":
        levels = np.array(image.getpalette("RGB")).reshape(-1, 3)
        return bool((levels == levels[:, :1]).all())
    return image.mode in _GREY or image.mode.startswith("I;16")


def _eight_bit(image: Image.Image, path: Path) -> Image.Image:
    """`image` converted to a mode with 8 bits per channel."""
    if image.mode.startswith("I;16"):
        return _scaled(np.asarray(image), 65535)
    if image.mode == "I":
        values = np.asarray(image)
        low, high = int(values.min()), int(values.max())
        if low < 0 or high > 65535 or (high < 256 and image.format != "PNG"):  # a PNG in mode I has 16 bits
            raise UnreadableError(
                path, f"its 32-bit values run from {low} to {high}, so white is unknown; save it with 8 or 16 bits"
            )
        return _scaled(values, 65535)
    if image.mode == "F":
        values = np.asarray(image)
        darkest, lightest = float(values.min()), float(values.max())
        if not (darkest >= 0 and lightest <= 1):  # written with `not`, so that NaN is refused too
            raise UnreadableError(
                path, f"its float values run from {darkest:g} to {lightest:g}, so white is unknown; scale them to 0..1"
            )
        return _scaled(values, 1)
    if image.mode == "LAB":
        lab, rgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return ImageCms.buildTransform(lab, rgb, "LAB", "RGB").apply(image)
    return image.convert("LA") if image.mode == "La" else image


def _levels(image: Image.Image) -> tuple[float, float, float]:
    """The lowest and the highest stored level of the colours, and the level of white."""
    if image.mode in ("F", "I") or image.mode.startswith("I;16"):
        values = np.asarray(image)
        return float(values.min()), float(values.max()), 1.0 if image.mode == "F" else 65535.0
    colours = image if image.mode in ("L", "RGB", "CMYK", "YCbCr", "LAB", "HSV") else image.convert("RGB")
    bands = np.array(colours.getextrema()).reshape(-1, 2)
    return float(bands[:, 0].min()), float(bands[:, 1].max()), 255.0


def _is_transparent(image: Image.Image) -> bool:
    if image.mode not in _ALPHA and "transparency" not in image.info:
        return False
    return image.convert("RGBA").getchannel("A").getextrema() != (255, 255)


def _scaled(values: np.ndarray, white: int) -> Image.Image:
    return Image.fromarray(np.rint(values * (255 / white)).astype(np.uint8))
