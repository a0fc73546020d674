"""Converts images as a source stores them, (N, H, W, C), to the requested channels and size, (N, C, H, W)."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from alphabar.data.contents import Contents
from alphabar.data.levels import black_and_white, eight_bit, levels
from alphabar.data.memory import check_memory
from alphabar.data.options import DataOptions, sized
from alphabar.data.places import Places, place
from alphabar.errors import AlphabarError
from alphabar.images import BLACK, MIDDLE, POSITIONS, RESIZE_RULES, Colour, Position, Size, in_channels

Pixels = npt.NDArray[np.uint8]

_LUMA = np.array([19595, 38470, 7471], dtype=np.uint32)  # ITU-R 601 times 2^16, the integers that Pillow uses
_CHUNK = 4096  # images per chunk, to bound the memory of intermediate uint32 arrays


class Fitted(TypedDict):
    """The arguments of an ImageSet that come from its arrays."""

    images: Tensor
    contents: Contents
    stored: Tensor | None
    places: Places | None


def fitted(stored: npt.NDArray[Any], options: DataOptions, what: str) -> Fitted:
    """Levels (N, H, W, C) -> contiguous uint8 (N, C, H, W) as `options` request, and what is said of them.

    Raises AlphabarError if that is impossible, if there is no image, or if it is unknown which level is white.
    """
    if stored.size == 0:
        raise AlphabarError(f"{what} has no images: its array is {stored.shape}.")
    black, white = (0.0, options.white) if options.white else black_and_white(stored, what)
    channels = options.channels or stored.shape[3]
    size = options.image_size or (stored.shape[1], stored.shape[2])
    check_memory(what, len(stored), size, channels)
    is_transparent = _transparent(stored, white) if channels != 4 else np.zeros(len(stored), bool)
    contents = Contents(
        options.split,
        levels=levels(stored, white, what, black),
        transparent=int(is_transparent.sum()),
        background=options.background,
    )
    images = eight_bit(stored, white, black)
    places = Places(_numbers(images), is_transparent) if options.holdout else None
    images = with_channels(images, channels, options.background, what)
    images = with_size(images, size, options.resize, options.background, what, POSITIONS[options.crop])
    planes = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    shape = (stored.shape[3] if white == 255 else 0, *stored.shape[1:3])  # 0 channels: other levels are not kept
    return {
        "images": torch.from_numpy(planes if planes.flags.writeable else planes.copy()),
        "contents": contents,
        "stored": stored_values([shape] * len(stored), (channels, *size), options.resize),
        "places": places,
    }


def _transparent(stored: npt.NDArray[Any], white: float) -> npt.NDArray[np.bool_]:
    """Which images (N, H, W, C) are transparent; none without a fourth channel."""
    return np.asarray((stored[..., 3:] < white).any(axis=(1, 2, 3)) & (stored.shape[3] == 4))


def _numbers(images: Pixels) -> npt.NDArray[np.float64]:
    """The place of each image (N, H, W, C) as stored; in RGBA if it can be, as the places of image files are."""
    is_picture = images.shape[3] in (1, 3, 4)
    shown = (with_channels(image[None], 4, BLACK, "")[0] if is_picture else image for image in images)
    return np.array([place(image) for image in shown], np.float64)


def kept_values(before: tuple[int, int, int], after: tuple[int, int, int], rule: str) -> int:
    """The number of values of an image as stored, if padding alone brought it to (C, H, W); else 0."""
    is_kept = before[0] == after[0] and before[1] <= after[1] and before[2] <= after[2]
    return math.prod(before) if is_kept and rule == "pad" else 0


def stored_values(before: Sequence[tuple[int, int, int]], after: tuple[int, int, int], rule: str) -> Tensor | None:
    """The number of values of each image as stored, (N,) int64, if padding alone brought all of them to (C, H, W)."""
    return where_padded(torch.tensor([kept_values(each, after, rule) for each in before]), after)


def where_padded(values: Tensor, after: tuple[int, int, int]) -> Tensor | None:
    """Numbers of `kept_values`, or None if nothing was padded, or if a pixel was changed: bits per stored value would
    have no meaning."""
    return values if bool(values.all()) and not bool((values == math.prod(after)).all()) else None


def with_channels(images: Pixels, channels: int, background: Colour, what: str) -> Pixels:
    """Images with `channels` channels: 1 (grey), 3 (RGB) or 4 (RGBA); raises AlphabarError for other conversions.

    Grey -> RGB repeats the channel. RGB -> grey is the ITU-R 601 luma. RGBA -> RGB composites on `background`.
    """
    have = images.shape[3]
    if have == channels:
        return images
    if {have, channels} - {1, 3, 4}:
        raise AlphabarError(
            f"{what} has {have} channels, which cannot be converted to {channels}; leave data.channels unset."
        )
    if have == 4:
        return with_channels(_by_chunks(images, lambda part: _composited(part, background)), channels, background, what)
    if channels == 1:
        return _by_chunks(images, lambda part: ((part @ _LUMA + 0x8000) >> 16).astype(np.uint8)[..., None])
    colour = np.repeat(images, 3, axis=3) if have == 1 else images
    opaque = np.full((*images.shape[:3], 1), 255, np.uint8)
    return colour if channels == 3 else np.concatenate([colour, opaque], axis=3)


def with_size(images: Pixels, size: Size, rule: str, background: Colour, what: str, at: Position = MIDDLE) -> Pixels:
    """Images resized to `size` by the named rule. Padding is a single copy of the whole array."""
    height, width = images.shape[1:3]
    if (height, width) == size:
        return images
    if rule == "none":
        ways = "pad (keeps the pixels, adds a border), crop or stretch"
        raise AlphabarError(
            f"{what} has images of {sized((height, width))}, not {sized(size)}: set data.resize to {ways}."
        )
    if rule == "pad" and height <= size[0] and width <= size[1]:
        canvas = np.empty((len(images), images.shape[3], *size), np.uint8).transpose(0, 2, 3, 1)  # NCHW in memory
        canvas[:] = in_channels(background, images.shape[3])
        top, left = (size[0] - height) // 2, (size[1] - width) // 2
        canvas[:, top : top + height, left : left + width] = images
        return canvas
    resize = partial(RESIZE_RULES[rule], background=background, at=at)
    return np.stack([_resized(image, size, resize) for image in images])


def _resized(image: Pixels, size: Size, rule: Callable[[Image.Image, Size], Image.Image]) -> Pixels:
    if image.shape[2] in (3, 4):
        return np.asarray(rule(Image.fromarray(image), size))
    planes = [rule(Image.fromarray(plane), size) for plane in image.transpose(2, 0, 1)]
    return np.stack([np.asarray(plane) for plane in planes], axis=2)


def _composited(images: Pixels, background: Colour) -> Pixels:
    alpha = images[..., 3:].astype(np.uint32)
    mixed = images[..., :3] * alpha + np.array(background, np.uint32) * (255 - alpha)
    return ((mixed + 127) // 255).astype(np.uint8)


def _by_chunks(images: Pixels, change: Callable[[Pixels], Pixels]) -> Pixels:
    return np.concatenate([change(images[k : k + _CHUNK]) for k in range(0, len(images), _CHUNK)])
