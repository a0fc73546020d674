"""Every step as likely as any other."""

from dataclasses import dataclass

import torch
from torch import Tensor


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
