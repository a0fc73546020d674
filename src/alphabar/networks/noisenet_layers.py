"""The building blocks of NoiseNet: a residual block that normalizes after each convolution, attention, a level."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alphabar.networks.again import computed
from alphabar.networks.attention import attended
from alphabar.networks.dropout import Dropout
from alphabar.networks.layers import Upsample
from alphabar.networks.normalization import GroupNorm
from alphabar.networks.pixels import per_pixel
from alphabar.networks.style import Style

HEAD_CHANNELS = 32
"""Channels of an attention head, whatever the width of the network."""


class NoiseBlock(nn.Module):
    """The residual block x -> shortcut(x) + silu(norm2(conv2(dropout(h)))), h = silu(norm1(conv1(x + linear(e)))).

    The shortcut is a 1×1 convolution if the numbers of channels differ, else the identity.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        embedding_channels: int,
        dropout: float,
        gradient_checkpointing: bool,
        style: Style,
    ) -> None:
        super().__init__()
        groups = style.norm_groups or 1
        self.gradient_checkpointing = gradient_checkpointing
        self.embedding = nn.Linear(embedding_channels, in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.norm1 = GroupNorm(groups, out_channels, eps=style.norm_eps)
        self.dropout = Dropout(dropout)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.norm2 = GroupNorm(groups, out_channels, eps=style.norm_eps)
        self.shortcut = None if in_channels == out_channels else nn.Linear(in_channels, out_channels)

    def forward(self, x: Tensor, e: Tensor) -> Tensor:
        """(B, C, H, W) and the activated embedding (B, E) -> (B, C', H, W)."""
        return computed(self.compute, x, e, again=self.gradient_checkpointing)

    def compute(self, x: Tensor, e: Tensor) -> Tensor:
        """The block without gradient checkpointing."""
        h = F.silu(self.norm1(self.conv1(x + self.embedding(e)[:, :, None, None])))
        h = F.silu(self.norm2(self.conv2(self.dropout(h))))
        return h + (x if self.shortcut is None else per_pixel(self.shortcut, x))


class NoiseAttention(nn.Module):
    """out(softmax(q kᵀ / √d) v), added to x if `adds`: (B, C, H, W) -> (B, C, H, W).

    q, k and v are the thirds of qkv(norm(x)), which has no bias, and norm is over all channels at once.
    """

    def __init__(self, channels: int, style: Style, *, adds: bool) -> None:
        super().__init__()
        self.adds = adds
        self.head_channels = style.head_channels or HEAD_CHANNELS
        hidden = style.heads * self.head_channels
        self.norm = GroupNorm(1, channels, eps=style.norm_eps)
        self.qkv = nn.Linear(channels, 3 * hidden, bias=False)
        self.out = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Every pixel attends to every pixel of its image."""
        pixels = self.norm(x).flatten(2).transpose(1, 2)
        h: Tensor = self.out(attended(self.qkv(pixels), self.head_channels)).transpose(1, 2).reshape(x.shape)
        return x + h if self.adds else h


class Unshuffle(nn.Module):
    """Each 2×2 pixels as one of four times the channels, then a 1×1 convolution: (B, C, H, W) -> (B, C', H/2, W/2)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(4 * in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """H and W are even."""
        return per_pixel(self.linear, F.pixel_unshuffle(x, 2))


class Level(nn.Module):
    """One resolution: blocks, attention after the last of them if there is any, and the way to the next level."""

    def __init__(
        self, blocks: Sequence[NoiseBlock], attention: NoiseAttention | None, onward: Unshuffle | Upsample | nn.Conv2d
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.attention = attention
        self.onward = onward


class Encoder(Level):
    """A level on the way down."""

    def forward(self, h: Tensor, e: Tensor, skips: list[Tensor]) -> Tensor:
        """The input of the next level. The feature map after each block is put at the end of `skips`."""
        for block in self.blocks:
            h = block(h, e)
            skips.append(h)
        if self.attention is not None:
            h = skips[-1] = self.attention(h)
        onward: Tensor = self.onward(h)
        return onward


class Decoder(Level):
    """A level on the way up."""

    def forward(self, h: Tensor, e: Tensor, skips: list[Tensor]) -> Tensor:
        """The input of the next level. Each block takes the last of `skips` beside its input."""
        for block in self.blocks:
            h = block(torch.cat([h, skips.pop()], dim=1), e)
        onward: Tensor = self.onward(h if self.attention is None else self.attention(h))
        return onward
