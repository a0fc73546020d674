"""Layers that treat all pixels alike."""

from torch import Tensor, nn

from alphabar.networks.style import Style


def per_pixel(layer: nn.Linear, x: Tensor) -> Tensor:
    """The 1×1 convolution with the weights of `layer`: (B, C, H, W) -> (B, C', H, W) in channels_last memory.

    A linear layer, because channels_last images are its matrix already, and it is faster than the convolution.
    """
    h: Tensor = layer(x.movedim(1, -1))
    return h.movedim(-1, 1)


def group_norm(channels: int, style: Style) -> nn.GroupNorm:
    """32 groups as in both papers; fewer where that would leave a group with less than two channels, or an uneven one.

    A group of a single channel would erase that channel's mean, and with it how bright the image is.
    """
    groups = next(n for n in range(min(32, max(channels // 2, 1)), 0, -1) if channels % n == 0)
    return nn.GroupNorm(groups, channels, eps=style.norm_eps)
