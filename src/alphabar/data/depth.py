"""Images with more than 8 bits per colour, of which Pillow reads 8 without a word."""

from PIL import Image

_START = 1 << 16  # bytes of a file among which its codec says its depth
_SIZ = b"\xff\x4f\xff\x51"  # JPEG 2000: the codestream begins, and with it the segment SIZ
_COUNT = 40  # of the components, in bytes from there; 3 bytes for each follow, the first of which is its depth − 1
_AV1C = b"av1C"  # AVIF: the settings of the codec, whose third byte has the flag high_bitdepth
_HIGH = 0x40


def is_deep_colour(image: Image.Image) -> bool:
    """Whether colours of an image that was opened, but not loaded, lose bits when Pillow reads them."""
    if image.mode not in ("RGB", "RGBA", "LA"):
        return False
    if image.format in ("JPEG2000", "AVIF"):
        start = _start(image)
        return _of_jpeg2000(start) if image.format == "JPEG2000" else _of_avif(start)
    tiles = getattr(image, "tile", [])
    return ";16" in str(tiles) or any(tile[0].startswith("ppm") and tile[3][1] > 255 for tile in tiles)


def _start(image: Image.Image) -> bytes:
    file = image.fp  # type: ignore[attr-defined]
    position = file.tell()
    file.seek(0)
    start: bytes = file.read(_START)
    file.seek(position)
    return start


def _of_jpeg2000(start: bytes) -> bool:
    at = start.find(_SIZ) + _COUNT
    count = int.from_bytes(start[at : at + 2], "big")
    depths = start[at + 2 : at + 2 + 3 * count : 3]
    return _SIZ in start and any((depth & 0x7F) + 1 > 8 for depth in depths)  # the highest bit is a sign


def _of_avif(start: bytes) -> bool:
    flags = (part[2] for part in start.split(_AV1C)[1:] if len(part) > 2)
    return any(flag & _HIGH for flag in flags)
