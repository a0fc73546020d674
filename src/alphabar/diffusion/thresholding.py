"""Transforms that bring the prediction x̂_0 into the pixel range [−1, 1] before it is used."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

X0Transform = Callable[[Tensor], Tensor]


def clip(x0: Tensor) -> Tensor:
    """x̂_0 clamped to [−1, 1], as in Ho's sampler."""
    return x0.clamp(-1, 1)


@dataclass(frozen=True)
class DynamicThreshold:
    """x̂_0 clamped to [−s, s] and divided by s, where s ≥ 1 is the `quantile` of |x̂_0| in each image (Imagen §2.3)."""

    quantile: float = 0.995

    def __call__(self, x0: Tensor) -> Tensor:
        """Transforms images (B, ...)."""
        s = torch.quantile(x0.flatten(1).abs(), self.quantile, dim=1).clamp(min=1)
        s = s.reshape(-1, *[1] * (x0.ndim - 1))
        return x0.clamp(-s, s) / s


X0_TRANSFORMS: dict[str, X0Transform | None] = {"none": None, "clip": clip, "dynamic": DynamicThreshold()}
