"""Exponential moving averages of the weights."""

from collections.abc import Iterable
from copy import deepcopy

import torch
from torch import Tensor, nn


class EMA:
    """Averages θ̄ ← r θ̄ + (1 − r) θ, one copy of the network per rate r, ready to sample from.

    With `warmup` the rate is min(r, (1 + n)/(10 + n)) at update n, so that a young average does not drag the random
    initial weights along; without, r from the first, as in the papers' code.
    """

    def __init__(self, network: nn.Module, rates: Iterable[float], warmup: bool = True) -> None:
        self.networks = {rate: deepcopy(network).eval().requires_grad_(False) for rate in rates}
        self.warmup = warmup
        self.updates = 0

    @torch.no_grad()
    def update(self, network: nn.Module, is_good: Tensor | None = None) -> None:
        """Take the present weights of `network` into every average; not if `is_good` (), on the device, is false."""
        self.updates += 1
        ramp = (1 + self.updates) / (10 + self.updates) if self.warmup else 1.0
        weights: list[Tensor] = list(network.parameters())
        for rate, average in self.networks.items():
            averages: list[Tensor] = list(average.parameters())
            share = 1 - min(rate, ramp)
            if is_good is None:
                torch._foreach_lerp_(averages, weights, share)
            else:
                steps = torch._foreach_sub(weights, averages)
                torch._foreach_mul_(steps, is_good.float() * share)
                torch._foreach_add_(averages, steps)
