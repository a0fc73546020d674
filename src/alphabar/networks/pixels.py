"""Layers that apply the same operation to every pixel: 1×1 convolution and group normalization."""

import torch
from torch import Tensor, nn

from alphabar.networks.checks import check_groups
from alphabar.networks.style import Style

HALF = (torch.bfloat16, torch.float16)
MOST_GROUPS = 32
"""Groups of a normalization, in all the papers."""


def per_pixel(layer: nn.Linear, x: Tensor) -> Tensor:
    """The 1×1 convolution with the weights of `layer`: (B, C, H, W) -> (B, C', H, W) in channels_last memory.

    A linear layer is used because it is faster: images in channels_last memory are already the matrix that it needs.
    """
    h: Tensor = layer(x.movedim(1, -1))
    return h.movedim(-1, 1)


class GroupNorm(nn.GroupNorm):
    """Group normalization that computes in float32 where its input is in half precision, as autocast does on a GPU.

    On a CPU, torch's own kernels for bf16 take up to seven times as long as those for float32 (docs/results/speed.md).
    """

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W), of the type of the input."""
        if input.dtype not in HALF:
            return super().forward(input)
        return super().forward(input.float()).to(input.dtype)


def group_norm(channels: int, style: Style) -> nn.GroupNorm:
    """Group normalization with 32 groups, as in the papers, or fewer if groups would be unequal or too small.

    A group has at least two channels: a group of one would remove its mean, and with it the brightness of the image.
    `style.norm_groups`, if set, is the number of groups whatever the channels.
    """
    groups = style.norm_groups or groups_of(channels)
    check_groups(channels, groups)
    return GroupNorm(groups, channels, eps=style.norm_eps)


def groups_of(channels: int) -> int:
    """The number of groups of a normalization of so many channels, where the style names none."""
    return next(n for n in range(min(MOST_GROUPS, max(channels // 2, 1)), 0, -1) if channels % n == 0)
