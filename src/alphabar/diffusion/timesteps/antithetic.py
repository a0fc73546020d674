"""Every step as likely as any other, but never a batch that lies all at one end of the chain."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Antithetic:
    """t_i = 1 + ⌊T · frac(u + i/B)⌋ with one u ~ Uniform[0, 1): one draw in each B-th of the chain.

    The low-discrepancy sampler of Kingma et al. 2021 (VDM). Each t_i alone is uniform over 1..T, weight 1; the mean of
    a smooth loss over all of them varies less than over independent ones.
    """

    T: int

    def sample(self, batch: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """See TimestepSampler."""
        u = torch.rand((), device=device, dtype=torch.float64)
        place = (u + torch.arange(batch, device=device, dtype=torch.float64) / batch) % 1
        t = (place * self.T).long().clamp(max=self.T - 1) + 1
        return t, torch.ones(batch, device=device)

    def update(self, t: Tensor, loss: Tensor) -> None:
        """Nothing to learn."""

    def state_dict(self) -> dict[str, Tensor]:
        """Nothing to keep."""
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Nothing to restore."""
