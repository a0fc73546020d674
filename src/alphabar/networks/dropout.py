"""Dropout whose masks may come from keys, one per image, so that they do not depend on how a batch is divided."""

import torch
from torch import Tensor, nn


class Dropout(nn.Module):
    """Sets each element to 0 with probability p while training, and divides the others by 1 − p.

    It saves memory on a CPU: for the backward pass it stores a mask of booleans, where `nn.Dropout` stores two float
    tensors, its noise and its input.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.keys: Tensor | None = None
        """(B,) int32, what the mask of each image depends on; None takes torch's default generator."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        if not self.training or self.p == 0:
            return x
        if self.keys is None:
            return torch.native_dropout(x, self.p, True)[0]
        return x * kept(self.keys, x.shape[1:], self.p) * (1 / (1 - self.p))


def kept(keys: Tensor, shape: torch.Size, p: float) -> Tensor:
    """Which elements of images (C, H, W) are kept, bool (B, C, H, W) in channels_last: each with probability 1 − p."""
    channels, height, width = shape
    counters = torch.arange(channels * height * width, dtype=torch.int32, device=keys.device) * GOLDEN
    is_kept = hashed(keys[:, None] + counters) >= round(p * 2**32) - 2**31
    return is_kept.view(len(keys), height, width, channels).permute(0, 3, 1, 2)


GOLDEN = 0x9E3779B9 - 2**32
"""2^32 / φ, as a signed integer: multiples of it are far from each other."""


def hashed(x: Tensor) -> Tensor:
    """Random bits for each int32 of `x`, which is overwritten: Wellons' hash of low bias (lowbias32)."""
    x ^= (x >> 16) & 0xFFFF  # >> copies the sign
    x *= 0x7FEB352D
    x ^= (x >> 15) & 0x1FFFF
    x *= 0x846CA68B - 2**32
    x ^= (x >> 16) & 0xFFFF
    return x


def layers(network: nn.Module) -> list[Dropout]:
    """The layers of `network` that drop elements."""
    return [module for module in network.modules() if isinstance(module, Dropout) and module.p > 0]


def follow(network: nn.Module, keys: Tensor | None) -> None:
    """Let the masks of the next pass depend on keys, (layers, B) int32; None takes torch's default generator again."""
    for number, layer in enumerate(layers(network)):
        layer.keys = None if keys is None else keys[number]
