"""Resizing for extractors: each extractor needs exactly the resizing that its weights or its metric were made with."""

import torch
import torch.nn.functional as F
from torch import Tensor

from alphabar.images import Size


def tf1_bilinear(x: Tensor, size: Size) -> Tensor:
    """float (N, C, H, W) -> (N, C, H', W'), resized like TensorFlow 1's resize_bilinear(align_corners=False).

    Output row i is interpolated at source position i · H/H', without half-pixel centres and without antialiasing.
    Beyond the last row and column the edge is repeated. The operations and their order are TensorFlow's, so the results
    agree bit for bit.
    """
    left, right, dx = _neighbours(x.shape[3], size[1], x)
    top, bottom, dy = _neighbours(x.shape[2], size[0], x)
    x = x[..., left] + (x[..., right] - x[..., left]) * dx
    above, below = x[:, :, top], x[:, :, bottom]
    return above + (below - above) * dy[:, None]


def antialiased_bilinear(x: Tensor, size: Size) -> Tensor:
    """float (N, C, H, W) -> (N, C, H', W') with a triangle filter, which is widened when the image shrinks."""
    return F.interpolate(x, size, mode="bilinear", antialias=True)


def _neighbours(source: int, target: int, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """For each of `target` positions, the source indices below and above it, and the weight of the second.

    Positions are float32, as in TensorFlow. In float64 a few would fall on the other side of a pixel (for example when
    200 pixels are resized to 24).
    """
    position = torch.arange(target, dtype=torch.float32, device=like.device) * (source / target)
    low = position.long()
    return low, (low + 1).clamp_max(source - 1), (position - low).to(like.dtype)
