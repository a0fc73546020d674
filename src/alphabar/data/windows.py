"""Random crops: a larger part of each image is kept, and every training position sees a window of it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from alphabar.data.image_set import ImageSet
from alphabar.data.options import DataOptions
from alphabar.images import Size


def windowed(source: Callable[[DataOptions], ImageSet], options: DataOptions) -> ImageSet:
    """The images of a source with `crop_room` around them; the images themselves are the windows in the middle."""
    assert options.image_size is not None  # as DataOptions demands of every resize rule
    larger = source(roomy(options))
    return replace(larger, images=middle(larger.images, options.image_size), larger=larger.images)


def are_random(options: DataOptions) -> bool:
    """Whether each training position sees a window of its own."""
    return options.crop == "random" and options.resize == "crop"


def roomy(options: DataOptions) -> DataOptions:
    """The options for the larger part that random windows are cut from; the same options if there are none."""
    if options.image_size is None or not are_random(options):
        return options
    height, width = (math.ceil(side * options.crop_room) for side in options.image_size)
    return replace(options, image_size=(height, width), crop="centre")


def windows(larger: Tensor, rows: Sequence[int], size: Size, words: list[int]) -> Tensor:
    """A window of each of these rows, (B, C, H, W), whose place follows from 64 random bits each."""
    height, width = size
    down, right = larger.shape[2] - height + 1, larger.shape[3] - width + 1
    chosen = []
    for row, bits in zip(rows, words, strict=True):
        top, left = (bits >> 32) * down >> 32, (bits & 0xFFFFFFFF) * right >> 32
        chosen.append(larger[row, :, top : top + height, left : left + width])
    return torch.stack(chosen)


def middle(larger: Tensor, size: Size) -> Tensor:
    """The part (N, C, *size) in the middle of each image (N, C, H', W'); a view."""
    top, left = (larger.shape[2] - size[0]) // 2, (larger.shape[3] - size[1]) // 2
    return larger[:, :, top : top + size[0], left : left + size[1]]
