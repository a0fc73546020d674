"""Resizing for extractors: each must do to an image exactly what was done before its weights or its metric was made."""

import torch
import torch.nn.functional as F
from torch import Tensor

from alphabar.images import Size


def tf1_bilinear(x: Tensor, size: Size) -> Tensor:
    """float (N, C, H, W) -> (N, C, H', W') as TensorFlow 1's resize_bilinear(align_corners=False) does.

    Output pixel i reads the source at i · H/H', without half-pixel centres and without antialiasing; beyond the last
    row and column the edge is repeated. The operations and their order are TensorFlow's, so the bits are too.
    """
    left, right, dx = _neighbours(x.shape[3], size[1], x)
    top, bottom, dy = _neighbours(x.shape[2], size[0], x)
    x = x[..., left] + (x[..., right] - x[..., left]) * dx
    above, below = x[:, :, top], x[:, :, bottom]
    return above + (below - above) * dy[:, None]


def antialiased_bilinear(x: Tensor, size: Size) -> Tensor:
    """float (N, C, H, W) -> (N, C, H', W'): a triangle about each pixel's centre, widened when shrinking."""
    return F.interpolate(x, size, mode="bilinear", antialias=True)


def _neighbours(source: int, target: int, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """For each of `target` positions: the two source indices about it, and how far it is from the first to the second.

    Positions are float32, as in TensorFlow: in float64 some fall on the other side of a pixel (of 200, for 24).
    """
    position = torch.arange(target, dtype=torch.float32, device=like.device) * (source / target)
    low = position.long()
    return low, (low + 1).clamp_max(source - 1), (position - low).to(like.dtype)
