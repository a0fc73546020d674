"""Group normalization (Wu & He 2018), with 32 groups or fewer."""

import torch
from torch import Tensor, nn

from alphabar.networks.checks import check_groups
from alphabar.networks.style import Style

HALF = (torch.bfloat16, torch.float16)
MOST_GROUPS = 32
"""Groups of a normalization, in all the papers."""
PIXELS, VECTOR, ELEMENTS = 1024, 8, 1 << 16
"""Where torch's kernel for a CPU is slow: fewer pixels, fewer channels in a group, and so many elements of a batch."""


class GroupNorm(nn.GroupNorm):
    """Group normalization that computes in float32 where its input is in half precision, as autocast does on a GPU.

    On a CPU, torch's own kernels for bf16 take up to seven times as long as those for float32 (docs/results/speed.md).
    """

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W), of the type of the input."""
        if input.dtype in HALF:
            return self._normalized(input.float()).to(input.dtype)
        return self._normalized(input)

    def _normalized(self, x: Tensor) -> Tensor:
        if not torch.is_grad_enabled() and _is_slow(x, self.num_groups):
            return _of_pixels(x, self.num_groups, self.weight, self.bias, self.eps)
        return super().forward(x)


def _is_slow(x: Tensor, groups: int) -> bool:
    """Whether torch's kernel is slow; false in a graph, whose batch may have any size."""
    if torch.compiler.is_compiling() or torch.compiler.is_exporting() or x.device.type != "cpu":
        return False
    return (
        x.numel() >= ELEMENTS
        and x.shape[2] * x.shape[3] < PIXELS
        and x.shape[1] // groups < VECTOR
        and x.is_contiguous(memory_format=torch.channels_last)
    )


def _of_pixels(x: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Group normalization by sums over the pixels of each channel, which in channels_last memory lie side by side."""
    batch, channels, height, width = x.shape
    size = channels // groups

    def mean(x: Tensor) -> Tensor:
        sums = x.permute(0, 2, 3, 1).reshape(batch, height * width, channels).sum(1)
        return sums.view(batch, groups, size).mean(2) / (height * width)

    def per_channel(x: Tensor) -> Tensor:
        return x[:, :, None].expand(batch, groups, size).reshape(batch, channels, 1, 1)

    centred = x - per_channel(mean(x))
    scale = per_channel(torch.rsqrt(mean(centred.square()) + eps)) * weight.view(1, channels, 1, 1)
    return torch.addcmul(bias.view(1, channels, 1, 1), centred, scale)


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
