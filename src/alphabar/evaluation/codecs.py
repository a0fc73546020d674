"""What lossless formats need for the same images, beside the bound of a model."""

import io
import lzma
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec

import torch
from PIL import Image, features
from torch import Tensor

from alphabar.data import ImageSet
from alphabar.images import to_pil

MOST = 1000
"""Images that are compressed."""


def _pillow(name: str, **options: object) -> Callable[[Tensor], float]:
    def size(images: Tensor) -> float:
        total = 0
        for image in images:
            file = io.BytesIO()
            to_pil(image).save(file, format=name, **options)
            total += file.tell()
        return total / len(images)

    return size


def _xz(images: Tensor) -> float:
    """All images as one stream, which finds in one what it knows from another."""
    return len(lzma.compress(images.contiguous().numpy().tobytes(), preset=9)) / len(images)


CODECS: dict[str, Callable[[Tensor], float]] = {
    "PNG": _pillow("PNG", optimize=True),
    "WebP": _pillow("WEBP", lossless=True, quality=100, method=6),
    "JPEG XL": _pillow("JXL", lossless=True, effort=9),
    "xz of all in one": _xz,
}
"""uint8 images (N, C, H, W) -> bytes for each."""


def sizes(images: ImageSet, rows: Tensor) -> dict[str, float]:
    """The bytes for each of the first of these rows, by format, without the padding if that can be told."""
    rows = rows[:MOST]
    stored = None if images.stored is None else images.stored[rows].tolist()
    some = without_padding(images.images[rows].cpu(), stored)
    return {name: size(some) for name, size in CODECS.items() if _takes(name, some.shape[1])}


def _takes(name: str, channels: int) -> bool:
    """Whether Pillow writes the format, and for images of so many channels."""
    if name == "JPEG XL" and find_spec("pillow_jxl"):
        import_module("pillow_jxl")  # which tells Pillow of the format
    available = {"WebP": features.check("webp"), "JPEG XL": "JXL" in Image.SAVE}.get(name, True)
    return bool(available) and (name not in ("WebP", "JPEG XL") or channels in (1, 3, 4))


def without_padding(images: Tensor, stored: Sequence[int] | None) -> Tensor:
    """The squares in the middle that were padded; the images themselves where padding cannot be told from them.

    stored: the values of each image (N, C, H, W) as it lay on disk, if it was padded.
    """
    if not stored or len(set(stored)) > 1:
        return images
    channels, height, width = images.shape[1:]
    side = round((stored[0] / channels) ** 0.5)
    if channels * side**2 != stored[0] or side > min(height, width):
        return images
    top, left = (height - side) // 2, (width - side) // 2
    is_padding = torch.ones(height, width, dtype=torch.bool)
    is_padding[top : top + side, left : left + side] = False
    outside = images[:, :, is_padding]
    return images[:, :, top : top + side, left : left + side] if (outside == outside[:1, :, :1]).all() else images
