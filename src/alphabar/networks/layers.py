"""The building blocks of a U-Net: the residual block, and the layers that halve and double the resolution."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alphabar.networks.again import computed
from alphabar.networks.attention import Attention
from alphabar.networks.dropout import Dropout
from alphabar.networks.normalization import group_norm
from alphabar.networks.pixels import per_pixel
from alphabar.networks.style import Style


class Block(nn.Module):
    """The residual block x -> shortcut(x) + conv2(dropout(silu(norm2(h + linear(e))))), h = conv1(silu(norm1(x))).

    With conditioning "scale_shift", norm2(h) · (1 + scale) + shift replaces norm2(h + linear(e)), where scale and shift
    are the halves of linear(e). The shortcut is a 1×1 convolution if the numbers of channels differ, else the identity.
    An attention layer follows if `attends`. A block that `resamples` halves ("down", the mean of 2×2 pixels) or doubles
    ("up", nearest neighbour) the sides of x, and those of silu(norm1(x)) before conv1, as in BigGAN. With
    `gradient_checkpointing`, the backward pass recomputes the block instead of storing its activations.

    In-place operations overwrite only outputs of convolutions and normalizations, which no backward pass reads again.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        attends: bool,
        embedding_channels: int,
        dropout: float,
        gradient_checkpointing: bool,
        style: Style,
        resamples: Literal["down", "up"] | None = None,
    ) -> None:
        super().__init__()
        self.gradient_checkpointing = gradient_checkpointing
        self.resamples = resamples
        self.conditioning = style.conditioning
        self.norm1 = group_norm(in_channels, style)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.embedding = nn.Linear(embedding_channels, out_channels * (2 if style.conditioning == "scale_shift" else 1))
        self.norm2 = group_norm(out_channels, style)
        self.dropout = Dropout(dropout)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.shortcut = None if in_channels == out_channels else nn.Linear(in_channels, out_channels)
        self.attention = Attention(out_channels, style) if attends else None

    def forward(self, x: Tensor, e: Tensor) -> Tensor:
        """(B, C, H, W) and the activated embedding (B, E) -> (B, C', H, W); half or twice the sides if it resamples."""
        return computed(self.compute, x, e, again=self.gradient_checkpointing)

    def compute(self, x: Tensor, e: Tensor) -> Tensor:
        """The block without gradient checkpointing."""
        h: Tensor = F.silu(self.norm1(x), inplace=True)
        if self.resamples is not None:
            h, x = _resampled(h, self.resamples), _resampled(x, self.resamples)
        h = self.conv1(h)
        condition = self.embedding(e)[:, :, None, None]
        if self.conditioning == "add":
            h = self.norm2(h.add_(condition))
        else:
            scale, shift = condition.chunk(2, dim=1)
            h = torch.addcmul(shift, self.norm2(h), 1 + scale)
        h = self.conv2(self.dropout(F.silu(h, inplace=True)))
        h = h.add_(x if self.shortcut is None else per_pixel(self.shortcut, x))
        return h if self.attention is None else self.attention(h)


def _resampled(x: Tensor, way: Literal["down", "up"]) -> Tensor:
    """The sides of x halved, by the mean of 2×2 pixels, or doubled, by repeating each."""
    return F.avg_pool2d(x, 2) if way == "down" else F.interpolate(x, scale_factor=2.0, mode="nearest")


class Downsample(nn.Module):
    """3×3 convolution of stride 2: (B, C, H, W) -> (B, C, H/2, W/2), where H and W are even."""

    def __init__(self, channels: int, style: Style) -> None:
        super().__init__()
        self.pad = (0, 1, 0, 1) if style.downsample_padding == "same" else None
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=0 if self.pad else 1)

    def forward(self, x: Tensor, e: Tensor | None = None) -> Tensor:
        """(B, C, H, W) -> (B, C, H/2, W/2). The embedding is for a block in this place, and not used here."""
        h: Tensor = self.conv(F.pad(x, self.pad) if self.pad else x)
        return h


class Upsample(nn.Module):
    """Nearest-neighbour upsampling ×2, then a 3×3 convolution: (B, C, H, W) -> (B, C', 2H, 2W); C' = C by default.

    Both are linear, so together they are one transposed convolution of stride 2, whose 4×4 kernel is the 3×3 kernel
    convolved with a 2×2 box of ones. It gives equal results with 4 products per output and channel instead of 9, and
    without an upsampled copy of x.
    """

    def __init__(self, channels: int, out_channels: int | None = None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out_channels or channels, 3, padding=1)

    def forward(self, x: Tensor, e: Tensor | None = None) -> Tensor:
        """(B, C, H, W) -> (B, C', 2H, 2W). The embedding is for a block in this place, and not used here."""
        # Transpose the kernel while it is 3×3: at 4×4 this would cost more than a convolution of a few pixels.
        weight = self.conv.weight.transpose(0, 1).flip(2, 3).contiguous(memory_format=torch.channels_last)
        # The sums of 2×2 weights. Not by divisor_override=1, which the exporter to ONNX drops without a word.
        kernel = 4 * F.avg_pool2d(weight, 2, stride=1, padding=1)
        return F.conv_transpose2d(x, kernel, self.conv.bias, stride=2, padding=1)
