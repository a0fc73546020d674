"""Noise that belongs to the image, not to the batch."""

from collections.abc import Sequence

import torch
from torch import Tensor


class SeededNoise:
    """N(0, I) in which image i draws from its own generator: it depends on seeds[i] alone, whatever the batch is.

    The draws are made on the CPU in float32, so that every device starts from the same noise.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, x: Tensor) -> Tensor:
        """The next draw for images x (B, ...), B = len(seeds)."""
        if len(x) != len(self._generators):
            raise ValueError(
                f"There are {len(self._generators)} seeds for {len(x)} images; there must be one for each."
            )
        draws = [torch.randn(x.shape[1:], generator=generator) for generator in self._generators]
        return torch.stack(draws).to(x)
