"""The embedding of the network's conditions: the time step and, where there are any, the class and augmentation."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alphabar.networks.style import Style


def sinusoid(time: Tensor, dim: int, style: Style, dtype: torch.dtype = torch.float32) -> Tensor:
    """sin and cos of t · 10000^(−j / (half − shift)) for j < half = dim // 2: (B,) -> (B, dim).

    If `dim` is odd, the last column is 0. The result is float32 whatever the network's type, unless that is float64,
    because bfloat16 cannot distinguish step 999 from step 1000.
    """
    half = dim // 2
    j = torch.arange(half, device=time.device, dtype=dtype)
    frequency = torch.exp(-math.log(10_000) / max(half - style.frequency_shift, 1) * j)
    angle = time.to(dtype)[:, None] * frequency
    waves = [angle.sin(), angle.cos()] if style.sinusoid == "sin_cos" else [angle.cos(), angle.sin()]
    return F.pad(torch.cat(waves, dim=1), (0, dim % 2))


class Embedding(nn.Module):
    """e(t, y, a) = MLP(sinusoid(t)) + table[y] + A a: steps (B,), classes (B,) and labels (B, n) -> (B, 4 · channels).

    null_class: whether the table has one more row, used if no class is given.
    augmentation_size: n, the numbers in a label of an augmentation; 0 = the network takes none.
    activation: between the two layers of the MLP.
    """

    def __init__(
        self,
        channels: int,
        num_classes: int | None,
        null_class: bool,
        augmentation_size: int,
        style: Style,
        activation: Callable[[Tensor], Tensor] = F.silu,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.style = style
        self.activation = activation
        self.linear1 = nn.Linear(channels, 4 * channels)
        self.linear2 = nn.Linear(4 * channels, 4 * channels)
        self.classes = None if num_classes is None else nn.Embedding(num_classes + null_class, 4 * channels)
        self.augmentation = nn.Linear(augmentation_size, 4 * channels, bias=False) if augmentation_size else None

    def forward(self, time: Tensor, y: Tensor | None = None, augmentation: Tensor | None = None) -> Tensor:
        """`time` is the 0-based step, integer or fractional. Without y, the null class is used.

        Without `augmentation` its label is 0: images that are not transformed.
        """
        dtype = self.linear1.weight.dtype
        wave = sinusoid(time, self.channels, self.style, torch.promote_types(dtype, torch.float32)).to(dtype)
        e: Tensor = self.linear2(self.activation(self.linear1(wave)))
        if self.augmentation is not None and augmentation is not None:
            e = e + self.augmentation(augmentation)
        if self.classes is None:
            return e
        return e + (self.classes.weight[-1] if y is None else self.classes(y))
