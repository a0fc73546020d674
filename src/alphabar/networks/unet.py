"""The U-Net of DDPM (Ho et al. 2020, App. B), of Improved DDPM (Nichol & Dhariwal 2021) and of ADM (2021b)."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alphabar.networks.checks import (
    check_architecture,
    check_attention,
    check_augmentation,
    check_input,
    check_low_res,
    check_low_resolution,
)
from alphabar.networks.embedding import Embedding
from alphabar.networks.fourier import fourier
from alphabar.networks.init import initialize, zero
from alphabar.networks.layers import Block, Downsample, Upsample
from alphabar.networks.normalization import group_norm
from alphabar.networks.style import DDPM, Style

Resampler = Downsample | Upsample | Block
"""What stands between two levels."""


class Down(nn.Module):
    """One level of the encoder (one resolution): blocks, then a downsampling layer unless it is the last level."""

    def __init__(self, blocks: Sequence[Block], downsample: Resampler | None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.downsample = downsample

    def forward(self, h: Tensor, e: Tensor) -> list[Tensor]:
        """The feature map after each layer, for the skip connections. The last one is the input of the next level."""
        features = []
        for block in self.blocks:
            h = block(h, e)
            features.append(h)
        return features if self.downsample is None else [*features, self.downsample(h, e)]


class Up(nn.Module):
    """One level of the decoder (one resolution): blocks, then an upsampling layer unless it is the last level."""

    def __init__(self, blocks: Sequence[Block], upsample: Resampler | None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.upsample = upsample

    def forward(self, h: Tensor, skips: list[Tensor], e: Tensor) -> Tensor:
        """Each block pops one encoder feature map off the end of `skips` and concatenates it to its input."""
        for block in self.blocks:
            h = torch.cat([h, skips.pop()], dim=1)
            h = block(h, e)
        return h if self.upsample is None else self.upsample(h, e)


class UNet(nn.Module):
    """The network ε(x, t, y, a, l): (B, C, H, W), (B,), (B,), (B, n) and (B, C, h, w) -> (B, out_channels, H, W).

    image_size              (H, W), square or not; multiples of 2^(levels − 1), as each level but the first halves them
    out_channels            C, or 2C if the reverse variance is learned
    channels, channel_mult  width of the network, and its multiple at each level
    num_blocks              residual blocks per level of the encoder (the decoder has one more per level)
    attention_resolutions   levels whose shorter side is among these have attention; the middle always has it
    num_classes             None = unconditional
    null_class              whether y may be omitted, or be num_classes: one network for p(x | y) and p(x)
    augmentation_size       n, the numbers in the label of an augmentation (Karras et al. 2022, App. F.2); 0 = none
    low_resolution          (h, w) of the small image l that an upsampler is conditioned on: enlarged bilinearly, it is
                            concatenated with x (Nichol & Dhariwal 2021, App.); None = no upsampler
    fourier_periods         in grey levels, of sines and cosines of x that conv_in gets beside x, see `fourier`
    gradient_checkpointing  recompute each block in the backward pass: less memory, about a third more time
    style                   which paper's U-Net, see `Style` and `PRESETS`

    The last layer of each block, of each attention and of the network is initialized to exactly 0, so an untrained
    network outputs 0 (Ho's code uses a variance scale of 1e-10 instead). The network is fastest after
    `.to(memory_format=torch.channels_last)`.
    """

    def __init__(
        self,
        *,
        image_size: tuple[int, int],
        in_channels: int,
        out_channels: int,
        channels: int = 128,
        channel_mult: Sequence[int] = (1, 2, 2, 2),
        num_blocks: int = 2,
        attention_resolutions: Sequence[int] = (16,),
        dropout: float = 0.0,
        num_classes: int | None = None,
        null_class: bool = False,
        augmentation_size: int = 0,
        low_resolution: tuple[int, int] | None = None,
        fourier_periods: Sequence[float] = (),
        gradient_checkpointing: bool = False,
        style: Style = DDPM,
    ) -> None:
        super().__init__()
        check_architecture(
            image_size=image_size,
            channels=channels,
            channel_mult=channel_mult,
            dropout=dropout,
            num_classes=num_classes,
            null_class=null_class,
            counts={"in_channels": in_channels, "out_channels": out_channels, "num_blocks": num_blocks},
        )
        sides = [min(image_size) >> level for level in range(len(channel_mult))]
        check_attention(attention_resolutions, sides)
        self.image_shape = (in_channels, *image_size)
        self.num_classes, self.null_class, self.augmentation_size = num_classes, null_class, augmentation_size
        check_low_resolution(low_resolution, image_size)
        self.low_resolution = low_resolution
        self.fourier_periods = tuple(fourier_periods)
        widths = [channels, *(channels * mult for mult in channel_mult)]
        time_channels = style.time_channels or channels
        block = partial(
            Block,
            embedding_channels=4 * time_channels,
            dropout=dropout,
            gradient_checkpointing=gradient_checkpointing,
            style=style,
        )
        self.embedding = Embedding(time_channels, num_classes, null_class, augmentation_size, style)
        inputs = in_channels * ((2 if low_resolution else 1) + 2 * len(self.fourier_periods))
        self.conv_in = nn.Conv2d(inputs, channels, 3, padding=1)
        attends = [side in attention_resolutions for side in sides]
        self.down, skips = _way_down(block, widths, num_blocks, attends, style)
        self.mid = nn.ModuleList(block(widths[-1], widths[-1], attends=first) for first in (True, False))
        self.up = _way_up(block, widths, num_blocks, attends, skips, style)
        self.norm_out = group_norm(widths[1], style)
        self.conv_out = nn.Conv2d(widths[1], out_channels, 3, padding=1)
        initialize(self, style)
        zero(self.conv_out)
        if self.embedding.augmentation is not None:
            zero(self.embedding.augmentation)

    def forward(
        self,
        x: Tensor,
        time: Tensor,
        y: Tensor | None = None,
        augmentation: Tensor | None = None,
        low_res: Tensor | None = None,
    ) -> Tensor:
        """`time` is the 0-based step, integer or fractional. `y` is the class (int64), if there are classes.

        `augmentation` is the label of how the images were transformed. Leave it out to sample: they were not.
        `low_res` are the small images in [−1, 1], if the network is an upsampler.
        """
        check_input(x, time, y, self.image_shape, self.num_classes, self.null_class)
        check_augmentation(x, augmentation, self.augmentation_size)
        check_low_res(x, low_res, self.low_resolution)
        e = F.silu(self.embedding(time, y, augmentation))
        if self.fourier_periods:
            x = fourier(x, self.fourier_periods)
        if low_res is not None:
            x = torch.cat([x, F.interpolate(low_res, x.shape[2:], mode="bilinear", align_corners=False)], dim=1)
        skips = [self.conv_in(x)]
        for level in self.down:
            skips += level(skips[-1], e)
        h = skips[-1]
        for block in self.mid:
            h = block(h, e)
        for level in self.up:
            h = level(h, skips, e)
        out: Tensor = self.conv_out(F.silu(self.norm_out(h), inplace=True))
        return out


def _way_down(
    block: Callable[..., Block], widths: Sequence[int], num_blocks: int, attends: Sequence[bool], style: Style
) -> tuple[nn.ModuleList, list[int]]:
    """The encoder's levels from fine to coarse, and the channels of each of its feature maps.

    widths: the channels of conv_in, then of each level.
    """
    levels, skips = nn.ModuleList(), [widths[0]]
    for level, width in enumerate(widths[1:]):
        blocks = []
        for _ in range(num_blocks):
            blocks.append(block(skips[-1], width, attends=attends[level]))
            skips.append(width)
        coarsest = level == len(attends) - 1
        levels.append(Down(blocks, None if coarsest else _resampler("down", block, width, style)))
        skips += [] if coarsest else [width]
    return levels, skips


def _way_up(
    block: Callable[..., Block],
    widths: Sequence[int],
    num_blocks: int,
    attends: Sequence[bool],
    skips: list[int],
    style: Style,
) -> nn.ModuleList:
    """The decoder's levels from coarse to fine. Each block takes the last of `skips` besides the map from below."""
    levels, below = nn.ModuleList(), widths[-1]
    for level, width in reversed(list(enumerate(widths[1:]))):
        blocks = []
        for _ in range(num_blocks + 1):
            blocks.append(block(below + skips.pop(), width, attends=attends[level]))
            below = width
        levels.append(Up(blocks, _resampler("up", block, width, style) if level > 0 else None))
    return levels


def _resampler(way: Literal["down", "up"], block: Callable[..., Block], width: int, style: Style) -> Resampler:
    """What halves or doubles the sides between two levels."""
    if style.resampling == "block":
        return block(width, width, attends=False, resamples=way)
    return Downsample(width, style) if way == "down" else Upsample(width)
