"""Images: conversion between bytes 0..255 and floats -1..1, resizing, grids, and reading and writing of files.

A tensor of images is uint8 (N, C, H, W) outside the model and float32 in [-1, 1] inside it. Sizes are (H, W).
"""

import io
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, PngImagePlugin
from torch import Tensor

from alphabar.errors import AlphabarError
from alphabar.files import atomic_file, open_regular
from alphabar.files.outputs import SAMPLES, mark, written

Size = tuple[int, int]
Colour = tuple[int, int, int]

BLACK: Colour = (0, 0, 0)
WHITE: Colour = (255, 255, 255)
Position = tuple[float, float]
MIDDLE: Position = (0.5, 0.5)
POSITIONS: dict[str, Position] = {
    "centre": MIDDLE,
    "top": (0.0, 0.5),
    "bottom": (1.0, 0.5),
    "left": (0.5, 0.0),
    "right": (0.5, 1.0),
    "random": MIDDLE,
}
"""Where a crop lies: the shares of what is cut off that are above it and on its left. A random crop is random in
training, and in the middle elsewhere."""
_GAP = 128  # grey, which differs from the black background of MNIST and from white pages
_FILTER = Image.Resampling.BICUBIC  # antialiased: Pillow widens the kernel when it shrinks an image


class ResizeRule(Protocol):
    """A function that resizes an image."""

    def __call__(
        self, image: Image.Image, size: Size, background: Colour = BLACK, at: Position = MIDDLE
    ) -> Image.Image:
        """`image` (mode L, RGB or RGBA) in its mode, with exactly the size (H, W). at: where to crop."""
        ...


def to_signed(images: Tensor) -> Tensor:
    """uint8 0..255 -> float32 in [-1, 1]: u / 127.5 - 1, the data scaling of DDPM §3.3."""
    return images.to(torch.float32) / 127.5 - 1


def to_uint8(x: Tensor) -> Tensor:
    """The inverse of `to_signed`, rounded and clamped to 0..255. (Truncation would darken images by half a level.)"""
    return ((x.to(torch.float32) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


# ---- sizes ------------------------------------------------------------------------------------------------------


def colour_name(colour: Colour) -> str:
    """A colour as data.background takes it: white, black, or [R,G,B]."""
    return {BLACK: "black", WHITE: "white"}.get(colour, f"[{','.join(map(str, colour))}]")


def in_channels(colour: Colour, channels: int) -> tuple[int, ...]:
    """An RGB colour as a pixel: its luma for 1 or 2 channels, itself for 3 or more; further channels are 0."""
    red, green, blue = colour
    if channels <= 2:
        return (round(0.299 * red + 0.587 * green + 0.114 * blue), 0)[:channels]
    return (*colour, *(0,) * (channels - 3))


def crop(image: Image.Image, size: Size, background: Colour = BLACK, at: Position = MIDDLE) -> Image.Image:
    """Scales the image until it just covers `size`, then crops it at the position `at`, in a single resampling."""
    height, width = size
    scale = max(height / image.height, width / image.width)
    box_width, box_height = min(width / scale, image.width), min(height / scale, image.height)
    left, top = (image.width - box_width) * at[1], (image.height - box_height) * at[0]
    return image.resize((width, height), _FILTER, (left, top, left + box_width, top + box_height))


def pad(image: Image.Image, size: Size, background: Colour = BLACK, at: Position = MIDDLE) -> Image.Image:
    """Centres the image on `background`. It is shrunk only if it does not fit, so a smaller image keeps its pixels."""
    height, width = size
    scale = min(1.0, height / image.height, width / image.width)
    if scale < 1:
        image = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))), _FILTER)
    fill = in_channels(background, len(image.getbands()))
    canvas = Image.new(image.mode, (width, height), fill if len(fill) > 1 else fill[0])
    canvas.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
    return canvas


def stretch(image: Image.Image, size: Size, background: Colour = BLACK, at: Position = MIDDLE) -> Image.Image:
    """Scales the image to `size`, even if that changes its aspect ratio."""
    return image.resize((size[1], size[0]), _FILTER)


def smaller(x: Tensor, size: Size) -> Tensor:
    """Float images (N, C, H, W) -> (N, C, h, w), each pixel the mean of the area that it covers."""
    return F.interpolate(x, size, mode="area")


RESIZE_RULES: dict[str, ResizeRule] = {"crop": crop, "pad": pad, "stretch": stretch}


# ---- grids ------------------------------------------------------------------------------------------------------


def enlargement(height: int, target: int = 128) -> int:
    """The largest integer factor with which `height` is at most `target`, at least 1: 8 -> 16, 32 -> 4, 256 -> 1."""
    return max(1, target // height)


def grid(images: Tensor, columns: int | None = None, enlarge: int = 1, gap: int = 2) -> Tensor:
    """uint8 (N, C, H, W) -> one uint8 (C, H', W') image of all, row by row; nearly square unless `columns` is given.

    Each pixel becomes an `enlarge` x `enlarge` square, so small images stay sharp. `gap` grey pixels separate images.
    """
    count, channels = images.shape[:2]
    if count == 0:
        raise AlphabarError("A grid needs at least one image; got 0.")
    columns = min(count, columns or math.ceil(math.sqrt(count)))
    rows = math.ceil(count / columns)
    tiles = images.repeat_interleave(enlarge, dim=2).repeat_interleave(enlarge, dim=3)
    height, width = tiles.shape[2:]
    sheet = tiles.new_full((channels, rows * (height + gap) - gap, columns * (width + gap) - gap), _GAP)
    for k, tile in enumerate(tiles):
        top, left = k // columns * (height + gap), k % columns * (width + gap)
        sheet[:, top : top + height, left : left + width] = tile
    return sheet


def sheet(images: Tensor, tile: int = 64, columns: int | None = None) -> Tensor:
    """A `grid` for viewing: small images are enlarged up to `tile` pixels, with a gap of one enlarged pixel."""
    enlarge = enlargement(images.shape[2], tile)
    return grid(images, columns, enlarge, gap=max(2, enlarge))


def to_pil(image: Tensor) -> Image.Image:
    """uint8 (C, H, W) -> grey, RGB or RGBA for C = 1, 3, 4. For other C, the channels side by side, in grey."""
    channels, height, width = image.shape
    if channels in (3, 4):
        return Image.fromarray(image.permute(1, 2, 0).contiguous().cpu().numpy())
    return Image.fromarray(image.permute(1, 0, 2).reshape(height, channels * width).cpu().numpy())


# ---- files ------------------------------------------------------------------------------------------------------


LARGEST = 64_000_000
"""Pixels; larger pictures are not decoded."""


class TooLargeError(ValueError):
    """A picture has too many pixels; the text is its size, as far as it is known."""


@contextmanager
def opened(
    source: Path | BinaryIO, formats: tuple[str, ...] = ("PNG",), largest: int = LARGEST
) -> Iterator[Image.Image]:
    """A picture, open for reading: the only way to open one.

    It must be in one of `formats`, whatever its name says: for others Pillow would start programs such as Ghostscript.
    OSError if it is not, or no regular file; TooLargeError if its header claims more pixels than `largest`.
    """
    try:
        with (
            open_regular(source) if isinstance(source, Path) else nullcontext(source) as file,
            Image.open(file, formats=formats) as picture,
        ):
            if picture.width * picture.height > largest:
                raise TooLargeError(f"{picture.height}x{picture.width}")
            yield picture
    except Image.DecompressionBombError:
        raise TooLargeError("far too many") from None


def save_png(path: Path, image: Tensor, text: Mapping[str, str] | None = None, kind: str | None = None) -> None:
    """Writes uint8 (C, H, W) as PNG. `text` is stored in the file's text chunks (sampling settings, for example).

    kind: what alphabar writes it as (see `outputs`); None for a place that is alphabar's own.
    """
    chunks = PngImagePlugin.PngInfo()
    if kind is not None:
        chunks.add_text("Software", mark(kind))
    for key, value in (text or {}).items():
        chunks.add_text(key, value.encode("utf-8", "backslashreplace").decode())  # file names may have lone surrogates
    with atomic_file(path) if kind is None else written(path, kind) as file:
        to_pil(image).save(file, format="PNG", pnginfo=chunks)


def load_png(path: Path, shape: tuple[int, int, int]) -> tuple[Tensor, dict[str, str]] | None:
    """The image of `shape` (C, H, W) and the text that `save_png` wrote; None if `path` is not such an image."""
    try:
        with opened(path) as picture:
            pixels = torch.from_numpy(np.array(picture))
            text = {str(key): value for key, value in picture.info.items() if isinstance(value, str)}
    except (OSError, SyntaxError, ValueError):  # Pillow: a SyntaxError for a broken chunk
        return None
    channels, height, width = shape
    if pixels.ndim == 3:
        image = pixels.permute(2, 0, 1)
    elif pixels.shape == (height, channels * width):
        image = pixels.reshape(height, channels, width).permute(1, 0, 2)
    else:
        return None
    return (image.contiguous(), text) if image.dtype == torch.uint8 and image.shape == shape else None


def save_npz(path: Path, images: Tensor, labels: Tensor | None = None) -> None:
    """Writes uint8 (N, C, H, W) as `arr_0` (N, H, W, C) and labels (N,) as `arr_1`, like OpenAI's evaluators."""
    arrays = [images.permute(0, 2, 3, 1).contiguous().cpu().numpy()]
    if labels is not None:
        arrays.append(labels.cpu().numpy())
    with written(path, SAMPLES) as file:
        np.savez(file, *arrays)
        mark_archive(file, SAMPLES)


def mark_archive(file: BinaryIO, kind: str) -> None:
    """Gives the .npz that was just written to `file` its mark: the comment of a zip archive, which ends it."""
    comment = mark(kind).encode()
    file.seek(-2, io.SEEK_END)  # the length of the comment, which is 0
    file.write(len(comment).to_bytes(2, "little") + comment)
