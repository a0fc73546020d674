"""The released files of OpenAI by key and shape, and their network's forward pass, from published facts alone.

Nothing here uses alphabar: it is what the tables and the U-Net are compared with.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import exp, log
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Flags:
    """The flags of the repositories. attention: the levels that have it, from the finest."""

    channels: int
    mults: tuple[float, ...]
    blocks: int
    attention: tuple[int, ...]
    inputs: int = 3
    outputs: int = 6
    classes: int = 0
    scale_shift: bool = True
    updown: bool = False
    heads: int | None = 4
    head_channels: int | None = None
    new_order: bool = False


CIFAR = Flags(128, (1, 2, 2, 2), 3, (1, 2))
IMAGENET = Flags(128, (1, 2, 3, 4), 3, (2, 3))
LSUN = Flags(128, (1, 1, 2, 2, 4, 4), 2, (4,), scale_shift=False, heads=1)
ADM = Flags(256, (1, 1, 2, 2, 4, 4), 2, (3, 4, 5), updown=True, heads=None, head_channels=64)
RELEASED: dict[str, tuple[Flags, int]] = {
    "cifar10_uncond_50M_500K": (CIFAR, 446),
    "imagenet64_uncond_100M_1500K": (IMAGENET, 450),
    "imagenet64_cond_270M_250K": (replace(IMAGENET, channels=192, classes=1000), 451),
    "lsun_uncond_100M_1200K_bs128": (LSUN, 426),
    "upsample_cond_500K": (
        replace(LSUN, channels=192, inputs=6, attention=(4, 5), classes=1000, scale_shift=True, heads=4), 457,
    ),
}  # fmt: skip
"""The flags of the released files of March 2021, and how many tensors they hold."""
GUIDED: dict[str, Flags] = {
    "64x64_diffusion": replace(
        ADM, channels=192, mults=(1, 2, 3, 4), blocks=3, attention=(1, 2, 3), classes=1000, new_order=True
    ),
    "128x128_diffusion": replace(
        ADM, mults=(1, 1, 2, 3, 4), attention=(2, 3, 4), classes=1000, heads=4, head_channels=None
    ),
    "256x256_diffusion": replace(ADM, classes=1000),
    "256x256_diffusion_uncond": ADM,
    "512x512_diffusion": replace(ADM, mults=(0.5, 1, 1, 2, 2, 4, 4), attention=(4, 5, 6), classes=1000),
    "lsun_bedroom": ADM,
}
"""Those of July 2021."""


def narrow(flags: Flags, channels: int = 32) -> Flags:
    """The same network with few channels, and heads that fit."""
    return replace(flags, channels=channels, head_channels=flags.head_channels and 16)


def layout(flags: Flags) -> dict[str, Shape]:
    """Every key and its shape."""
    return dict(_layout(flags))


def _layout(f: Flags) -> Iterator[tuple[str, Shape]]:
    base, emb, each = f.channels, 4 * f.channels, f.blocks + 1
    widths = [int(base * mult) for mult in f.mults]
    yield from _layer("time_embed.0", (emb, base))
    yield from _layer("time_embed.2", (emb, emb))
    if f.classes:
        yield "label_emb.weight", (f.classes, emb)
    yield from _layer("input_blocks.0.0", (widths[0], f.inputs, 3, 3))
    skips, width, levels = [widths[0]], widths[0], len(widths)
    for level, out in enumerate(widths):
        for block in range(f.blocks):
            place = f"input_blocks.{1 + level * each + block}"
            yield from _block(f, f"{place}.0", width, out, emb)
            if level in f.attention:
                yield from _attention(f"{place}.1", out)
            width = out
            skips.append(width)
        if level < levels - 1:
            place = f"input_blocks.{(level + 1) * each}.0"
            yield from _block(f, place, out, out, emb) if f.updown else _layer(f"{place}.op", (out, out, 3, 3))
            skips.append(width)
    for place in (0, 2):
        yield from _block(f, f"middle_block.{place}", width, width, emb)
    yield from _attention("middle_block.1", width)
    for stage, level in enumerate(reversed(range(levels))):
        out = widths[level]
        for block in range(each):
            place = f"output_blocks.{stage * each + block}"
            yield from _block(f, f"{place}.0", width + skips.pop(), out, emb)
            if level in f.attention:
                yield from _attention(f"{place}.1", out)
            width = out
        if level:
            place += f".{1 + (level in f.attention)}"
            yield from _block(f, place, out, out, emb) if f.updown else _layer(f"{place}.conv", (out, out, 3, 3))
    yield from _norm("out.0", width)
    yield from _layer("out.2", (f.outputs, width, 3, 3))


def _layer(key: str, shape: Shape) -> Iterator[tuple[str, Shape]]:
    yield f"{key}.weight", shape
    yield f"{key}.bias", shape[:1]


def _norm(key: str, width: int) -> Iterator[tuple[str, Shape]]:
    yield from _layer(key, (width,))


def _block(f: Flags, key: str, inputs: int, outputs: int, emb: int) -> Iterator[tuple[str, Shape]]:
    yield from _norm(f"{key}.in_layers.0", inputs)
    yield from _layer(f"{key}.in_layers.2", (outputs, inputs, 3, 3))
    yield from _layer(f"{key}.emb_layers.1", (outputs * (2 if f.scale_shift else 1), emb))
    yield from _norm(f"{key}.out_layers.0", outputs)
    yield from _layer(f"{key}.out_layers.3", (outputs, outputs, 3, 3))
    if inputs != outputs:
        yield from _layer(f"{key}.skip_connection", (outputs, inputs, 1, 1))


def _attention(key: str, width: int) -> Iterator[tuple[str, Shape]]:
    yield from _norm(f"{key}.norm", width)
    yield from _layer(f"{key}.qkv", (3 * width, width, 1))
    yield from _layer(f"{key}.proj_out", (width, width, 1))


def weights(flags: Flags, seed: int = 0) -> dict[str, Tensor]:
    """Random weights in that layout, none of them zero."""
    generator = torch.Generator().manual_seed(seed)
    made = {}
    for key, shape in layout(flags).items():
        noise = torch.randn(shape, generator=generator)
        if len(shape) > 1:
            made[key] = noise / noise[0].numel() ** 0.5
        else:
            is_scale = key.endswith(("in_layers.0.weight", "out_layers.0.weight", "norm.weight", "out.0.weight"))
            made[key] = 0.2 * noise + is_scale
    return made


class Network:
    """Their forward pass over a state dict, step by step as the papers and the two repositories describe it."""

    def __init__(self, flags: Flags, w: Mapping[str, Tensor]) -> None:
        self.flags, self.w = flags, w

    def __call__(self, x: Tensor, time: Tensor, y: Tensor | None = None) -> Tensor:
        f, each = self.flags, self.flags.blocks + 1
        half = f.channels // 2
        angles = time.float()[:, None] * torch.tensor([exp(-log(10_000) * j / half) for j in range(half)])
        e = self.linear("time_embed.0", torch.cat([angles.cos(), angles.sin()], 1))
        e = self.linear("time_embed.2", F.silu(e))
        if y is not None:
            e = e + self.w["label_emb.weight"][y]
        h = self.conv("input_blocks.0.0", x)
        skips = [h]
        for k in range(1, len(f.mults) * each):
            h = self.entry(f"input_blocks.{k}", h, e, "down" if k % each == 0 else None)
            skips.append(h)
        h = self.block("middle_block.0", h, e)
        h = self.block("middle_block.2", self.attend("middle_block.1", h), e)
        for k in range(len(f.mults) * each):
            h = self.entry(f"output_blocks.{k}", torch.cat([h, skips.pop()], 1), e, None)
        return self.conv("out.2", F.silu(self.norm("out.0", h)))

    def entry(self, key: str, h: Tensor, e: Tensor, way: str | None) -> Tensor:
        """One of the lists' sequences."""
        for index in range(3):
            place = f"{key}.{index}"
            if f"{place}.op.weight" in self.w:
                h = self.conv(f"{place}.op", h, stride=2)
            elif f"{place}.conv.weight" in self.w:
                h = self.conv(f"{place}.conv", F.interpolate(h, scale_factor=2.0, mode="nearest"))
            elif f"{place}.qkv.weight" in self.w:
                h = self.attend(place, h)
            elif f"{place}.in_layers.0.weight" in self.w:
                h = self.block(place, h, e, "up" if index else way)
        return h

    def block(self, key: str, x: Tensor, e: Tensor, way: str | None = None) -> Tensor:
        def resampled(x: Tensor) -> Tensor:
            if way is None:
                return x
            return F.avg_pool2d(x, 2, 2) if way == "down" else F.interpolate(x, scale_factor=2.0, mode="nearest")

        h = resampled(F.silu(self.norm(f"{key}.in_layers.0", x)))
        h = self.conv(f"{key}.in_layers.2", h)
        condition = self.linear(f"{key}.emb_layers.1", F.silu(e))[:, :, None, None]
        if self.flags.scale_shift:
            scale, shift = condition.chunk(2, 1)
            h = self.norm(f"{key}.out_layers.0", h) * (1 + scale) + shift
        else:
            h = self.norm(f"{key}.out_layers.0", h + condition)
        x = resampled(x)
        if f"{key}.skip_connection.weight" in self.w:
            x = self.conv(f"{key}.skip_connection", x)
        return x + self.conv(f"{key}.out_layers.3", F.silu(h))

    def attend(self, key: str, x: Tensor) -> Tensor:
        """Head by head, so that it is plain which rows belong to which."""
        width = x.shape[1]
        heads = width // self.flags.head_channels if self.flags.head_channels else self.flags.heads or 1
        size = width // heads
        rows = F.conv1d(self.norm(f"{key}.norm", x).flatten(2), *self.layer(f"{key}.qkv"))
        out = []
        for head in range(heads):
            if self.flags.new_order:  # all of q, then all of k, then all of v
                starts = [part * width + head * size for part in range(3)]
            else:  # q, k and v of the first head, then of the second
                starts = [head * 3 * size + part * size for part in range(3)]
            q, k, v = (rows[:, start : start + size] for start in starts)
            p = torch.softmax(torch.einsum("bcq,bck->bqk", q, k) / size**0.5, dim=-1)
            out.append(torch.einsum("bqk,bck->bcq", p, v))
        return x + F.conv1d(torch.cat(out, 1), *self.layer(f"{key}.proj_out")).reshape(x.shape)

    def layer(self, key: str) -> tuple[Tensor, Tensor]:
        return self.w[f"{key}.weight"], self.w[f"{key}.bias"]

    def norm(self, key: str, x: Tensor) -> Tensor:
        return F.group_norm(x, 32, *self.layer(key), eps=1e-5)

    def linear(self, key: str, x: Tensor) -> Tensor:
        return F.linear(x, *self.layer(key))

    def conv(self, key: str, x: Tensor, **more: Any) -> Tensor:
        weight, bias = self.layer(key)
        return F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2, **more)
