"""One image file -> one upright 8-bit image, grey, RGB or RGBA; for anything else a reason, never a crash or a guess.

Depth   16-bit levels are scaled, not clipped. 32-bit integers count as 16-bit where the format (PNG) or the values say
        so, floats must lie in 0..1; other ranges have no known white and are refused.
Alpha   is composited on the declared background, unless 4 channels are asked for.
EXIF    orientation is applied. Colour profiles are ignored and later frames are not read: both are noted.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from alphabar.data.files import UnreadableError, open_regular
from alphabar.data.options import MEGAPIXEL
from alphabar.images import Colour, Size

# A closed list: Pillow would also try EPS, which starts Ghostscript, on whatever calls itself a .png.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "TIFF", "GIF")
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif"})
MODES = {1: "L", 3: "RGB", 4: "RGBA"}

_ORIENTATION = 0x0112  # the EXIF tag; the values are what undoes them
_UPRIGHT = {
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
    """What a file says of itself before its pixels are decoded; `size` is that of the upright image."""

    size: Size
    mode: str
    grey: bool
    notes: tuple[str, ...]


def read_header(path: Path, limit_pixels: int) -> Header:
    """Raises UnreadableError; the pixels are not decoded, so the cost does not grow with the image."""
    with _opened(path, limit_pixels) as image:
        notes = []
        if "icc_profile" in image.info:
            notes.append("colour profile ignored")
        if getattr(image, "is_animated", False):
            notes.append("several frames: only the first is used")
        turned = _orientation(image) >= 5
        return Header(
            size=(image.width, image.height) if turned else (image.height, image.width),
            mode=image.mode,
            grey=_is_grey(image),
            notes=tuple(notes),
        )


def decode(path: Path, channels: int, background: Colour, limit_pixels: int) -> Image.Image:
    """The upright image in mode L, RGB or RGBA for 1, 3 or 4 channels; raises UnreadableError."""
    with _opened(path, limit_pixels) as image:
        image.load()
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
            with Image.open(file, formats=FORMATS) as image:
                if image.width * image.height > limit_pixels:
                    raise UnreadableError(path, _too_large(f"{image.height}x{image.width}", limit_pixels))
                yield image
        except UnreadableError:
            raise
        except UnidentifiedImageError:
            raise UnreadableError(path, "it is not an image of a known format") from None
        except Image.DecompressionBombError:
            raise UnreadableError(path, _too_large("so many", limit_pixels)) from None
        except Exception as error:  # Pillow's plugins raise almost anything when a file is malformed
            raise UnreadableError(path, f"it cannot be decoded ({str(error) or type(error).__name__})") from error


def _too_large(found: str, limit: int) -> str:
    return f"it claims {found} pixels, more than the limit of {limit / MEGAPIXEL:g} megapixels"


def _orientation(image: Image.Image) -> int:
    if image.format == "TIFF":
        return 1  # Pillow itself turns these, while it loads them
    return int(image.getexif().get(_ORIENTATION, 1))


def _is_grey(image: Image.Image) -> bool:
    if image.mode == "P":
        levels = np.array(image.getpalette("RGB")).reshape(-1, 3)
        return bool((levels == levels[:, :1]).all())
    return image.mode in _GREY or image.mode.startswith("I;16")


def _eight_bit(image: Image.Image, path: Path) -> Image.Image:
    """The same picture in a mode of 8 bits per channel."""
    if image.mode.startswith("I;16"):
        return _scaled(np.asarray(image), 65535)
    if image.mode == "I":
        values = np.asarray(image)
        low, high = int(values.min()), int(values.max())
        if low < 0 or high > 65535 or (high < 256 and image.format != "PNG"):  # a PNG in this mode is a 16-bit one
            raise UnreadableError(
                path, f"its 32-bit values {low}..{high} have no known white; save it with 8 or 16 bits"
            )
        return _scaled(values, 65535)
    if image.mode == "F":
        values = np.asarray(image)
        darkest, lightest = float(values.min()), float(values.max())
        if not (darkest >= 0 and lightest <= 1):  # so written, NaN is refused too
            found = f"{darkest:g}..{lightest:g}"
            raise UnreadableError(path, f"its float values {found} have no known white; scale them to 0..1")
        return _scaled(values, 1)
    if image.mode == "LAB":
        lab, rgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return ImageCms.buildTransform(lab, rgb, "LAB", "RGB").apply(image)
    return image.convert("LA") if image.mode == "La" else image


def _scaled(values: np.ndarray, white: int) -> Image.Image:
    return Image.fromarray(np.rint(values * (255 / white)).astype(np.uint8))
