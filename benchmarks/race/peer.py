"""What the other packages have in common while they train here."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn


class Peer(ABC):
    """Network, optimizer and averages of another package, moved as its own training script moves them."""

    package: ClassVar[str]
    """As pip knows it."""
    batch_size: int
    """Images per update; a subclass has its package's default."""
    flips: ClassVar[bool]
    """Whether images are mirrored by default there."""
    options: dict[str, Any]
    """What the network is built from."""
    network: nn.Module
    optimizer: torch.optim.Optimizer
    ema: Any
    warm: float = 0.0
    """The part of the budget that a warm-up of the learning rate took, where there is one."""
    images: int = 0
    updates: int = 0

    @abstractmethod
    def update(self, images: Tensor, labels: Tensor | None, used: float) -> None:
        """One update by uint8 (B, C, H, W), when the part `used` of the budget, 0..1, is spent."""

    @abstractmethod
    def average(self) -> nn.Module:
        """The network with the averaged weights, to be drawn from."""

    def state_dict(self) -> dict[str, Any]:
        """All that an interrupted training needs in order to go on."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "ema": self.ema.state_dict(),
            "counters": [self.images, self.updates, self.warm],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        for name in ("network", "optimizer", "ema"):
            getattr(self, name).load_state_dict(state[name])
        self.images, self.updates, self.warm = state["counters"]


def parameters(network: nn.Module) -> int:
    """How many numbers it has learnt."""
    return sum(p.numel() for p in network.parameters())
