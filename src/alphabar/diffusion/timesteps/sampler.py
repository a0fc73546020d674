"""What a timestep sampler is."""

from typing import Protocol

import torch
from torch import Tensor


class TimestepSampler(Protocol):
    """Draws t ~ p(t) with weights w, E[w · loss(t)] the mean of loss over t = 1..T."""

    def sample(self, batch: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """t (batch,) int64 in 1..T and w (batch,) float32, from torch's default generator of `device`.

        `device` is the schedule's, which knows float64.
        """
        ...

    def update(self, t: Tensor, loss: Tensor) -> None:
        """Take note of what was seen at t, (batch,).

        loss: (batch,) the terms of the bound, T · L_{t−1} before any weight: "vlb" of `training_loss`.
        """
        ...

    def state_dict(self) -> dict[str, Tensor]:
        """What a checkpoint must hold for training to go on exactly."""
        ...

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from `state_dict`."""
        ...
