"""Layers that apply the same operation to every pixel: 1×1 convolution and group normalization."""

from torch import Tensor, nn

from alphabar.networks.style import Style


def per_pixel(layer: nn.Linear, x: Tensor) -> Tensor:
    """The 1×1 convolution with the weights of `layer`: (B, C, H, W) -> (B, C', H, W) in channels_last memory.

    A linear layer is used because it is faster: images in channels_last memory are already the matrix that it needs.
    """
    h: Tensor = layer(x.movedim(1, -1))
    return h.movedim(-1, 1)


def group_norm(channels: int, style: Style) -> nn.GroupNorm:
    """Group normalization with 32 groups, as in both papers, or fewer if groups would be unequal or too small.

    A group has at least two channels: a group of one would remove its mean, and with it the brightness of the image.
    """
    groups = next(n for n in range(min(32, max(channels // 2, 1)), 0, -1) if channels % n == 0)
    return nn.GroupNorm(groups, channels, eps=style.norm_eps)
