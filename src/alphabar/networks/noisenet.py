"""NoiseNet, the U-Net of a tutorial on DDPM with woodblock prints: blocks that normalize after each convolution."""

from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alphabar.networks.checks import check_architecture, check_attention, check_augmentation, check_groups, check_input
from alphabar.networks.embedding import Embedding
from alphabar.networks.init import zero
from alphabar.networks.layers import Upsample
from alphabar.networks.noisenet_layers import Decoder, Encoder, NoiseAttention, NoiseBlock, Unshuffle
from alphabar.networks.style import NOISENET, Style


class NoiseNet(nn.Module):
    """The network ε(x, t, y, a): (B, C, H, W), (B,), (B,) and (B, n) -> (B, out_channels, H, W).

    Level k of the encoder has the channels of the level above it, `channels` at the finest; its last layer halves the
    sides and has channels · channel_mult[k]. The decoder mirrors that, with as many blocks. There is one more skip,
    from the first convolution to the last block.

    The arguments are those of `UNet`; `num_blocks` is the number of blocks per level on both ways (2 in the text).

    as_listed: with two slips of the published listing. Its attention replaces the features instead of being added to
        them, and it takes `channels` for the finest resolution where it looks for attention_resolutions.
    """

    def __init__(
        self,
        *,
        image_size: tuple[int, int],
        in_channels: int,
        out_channels: int,
        channels: int = 64,
        channel_mult: Sequence[int] = (1, 2, 4, 8, 16),
        num_blocks: int = 2,
        attention_resolutions: Sequence[int] = (16,),
        dropout: float = 0.0,
        num_classes: int | None = None,
        null_class: bool = False,
        augmentation_size: int = 0,
        gradient_checkpointing: bool = False,
        style: Style = NOISENET,
        as_listed: bool = False,
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
        if as_listed:
            sides[0] = channels
        check_attention(attention_resolutions, sides)
        widths = [channels, *(channels * mult for mult in channel_mult)]
        check_groups(channels, style.norm_groups or 1)  # and so all widths, which are its multiples
        self.image_shape = (in_channels, *image_size)
        self.num_classes, self.null_class, self.augmentation_size = num_classes, null_class, augmentation_size
        time_channels = style.time_channels or channels
        block = partial(
            NoiseBlock,
            embedding_channels=4 * time_channels,
            dropout=dropout,
            gradient_checkpointing=gradient_checkpointing,
            style=style,
        )
        attends = [side in attention_resolutions for side in sides]
        attention = partial(NoiseAttention, style=style, adds=not as_listed)
        levels = list(enumerate(zip(widths[:-1], widths[1:], attends, strict=True)))
        last = len(levels) - 1
        self.embedding = Embedding(time_channels, num_classes, null_class, augmentation_size, style, F.gelu)
        self.conv_in = nn.Conv2d(in_channels, channels, 7, padding=3)
        self.down = nn.ModuleList(
            Encoder(
                [block(fine, fine) for _ in range(num_blocks)],
                attention(fine) if attended else None,
                Unshuffle(fine, coarse) if level < last else nn.Conv2d(fine, coarse, 3, padding=1),
            )
            for level, (fine, coarse, attended) in levels
        )
        self.mid1 = block(widths[-1], widths[-1])
        self.mid_attention = attention(widths[-1])
        self.mid2 = block(widths[-1], widths[-1])
        self.up = nn.ModuleList(
            Decoder(
                [block(coarse + fine, coarse) for _ in range(num_blocks)],
                attention(coarse) if attended else None,
                Upsample(coarse, fine) if level > 0 else nn.Conv2d(coarse, fine, 3, padding=1),
            )
            for level, (fine, coarse, attended) in reversed(levels)
        )
        self.block_out = block(2 * channels, channels)
        self.conv_out = nn.Conv2d(channels, out_channels, 1)
        if self.embedding.augmentation is not None:
            zero(self.embedding.augmentation)

    def forward(self, x: Tensor, time: Tensor, y: Tensor | None = None, augmentation: Tensor | None = None) -> Tensor:
        """`time` is the 0-based step, integer or fractional. `y` is the class (int64), if there are classes.

        `augmentation` is the label of how the images were transformed. Leave it out to sample: they were not.
        """
        check_input(x, time, y, self.image_shape, self.num_classes, self.null_class)
        check_augmentation(x, augmentation, self.augmentation_size)
        e = F.silu(self.embedding(time, y, augmentation))
        h = self.conv_in(x)
        skips = [h]
        for level in self.down:
            h = level(h, e, skips)
        h = self.mid2(self.mid_attention(self.mid1(h, e)), e)
        for level in self.up:
            h = level(h, e, skips)
        out: Tensor = self.conv_out(self.block_out(torch.cat([h, skips.pop()], dim=1), e))
        return out
