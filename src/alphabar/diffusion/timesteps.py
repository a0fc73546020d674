"""How training draws t."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class TimestepSampler(Protocol):
    """Draws t ~ p(t) with weights w, E[w · loss(t)] the mean of loss over t = 1..T."""

    def sample(self, batch: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """t (batch,) int64 in 1..T and w (batch,) float32, from torch's default generator of `device`."""
        ...

    def update(self, t: Tensor, loss: Tensor) -> None:
        """Take note of the losses, (batch,), seen at t."""
        ...

    def state_dict(self) -> dict[str, Tensor]:
        """What a checkpoint must hold for training to go on exactly."""
        ...

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from `state_dict`."""
        ...


@dataclass(frozen=True)
class Uniform:
    """t ~ Uniform{1..T} (DDPM Alg. 1), weight 1."""

    T: int

    def sample(self, batch: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """See TimestepSampler."""
        return torch.randint(1, self.T + 1, (batch,), device=device), torch.ones(batch, device=device)

    def update(self, t: Tensor, loss: Tensor) -> None:
        """Nothing to learn."""

    def state_dict(self) -> dict[str, Tensor]:
        """Nothing to keep."""
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Nothing to restore."""


TIMESTEP_SAMPLERS: dict[str, Callable[[int], TimestepSampler]] = {"uniform": Uniform}
