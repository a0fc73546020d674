"""What the network is told besides the image: the time step, and the class if there are classes."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alphabar.networks.style import Style


def sinusoid(time: Tensor, dim: int, style: Style) -> Tensor:
    """sin and cos of t · 10000^(−j / (half − shift)) for j < half = dim // 2: (B,) -> (B, dim), an odd last column 0.

    In float32 whatever the network is: bfloat16 cannot tell step 999 from step 1000.
    """
    half = dim // 2
    j = torch.arange(half, device=time.device, dtype=torch.float32)
    frequency = torch.exp(-math.log(10_000) / max(half - style.frequency_shift, 1) * j)
    angle = time.to(torch.float32)[:, None] * frequency
    waves = [angle.sin(), angle.cos()] if style.sinusoid == "sin_cos" else [angle.cos(), angle.sin()]
    return F.pad(torch.cat(waves, dim=1), (0, dim % 2))


class Embedding(nn.Module):
    """e(t, y) = MLP(sinusoid(t)) + table[y]: (B,) step and (B,) class -> (B, 4 · channels).

    null_class: whether the table has one row more, for images whose class is not told.
    """

    def __init__(self, channels: int, num_classes: int | None, null_class: bool, style: Style) -> None:
        super().__init__()
        self.channels = channels
        self.style = style
        self.linear1 = nn.Linear(channels, 4 * channels)
        self.linear2 = nn.Linear(4 * channels, 4 * channels)
        self.classes = None if num_classes is None else nn.Embedding(num_classes + null_class, 4 * channels)

    def forward(self, time: Tensor, y: Tensor | None = None) -> Tensor:
        """`time` in 0-based steps, fractional or not; no y is the null class (checked by the network)."""
        wave = sinusoid(time, self.channels, self.style).to(self.linear1.weight.dtype)
        e: Tensor = self.linear2(F.silu(self.linear1(wave)))
        if self.classes is None:
            return e
        return e + (self.classes.weight[-1] if y is None else self.classes(y))
