"""The running loss, kept on the device: reading it is the only time that the host waits for a step."""

from collections.abc import Mapping

import torch
from torch import Tensor

PARTS = ("mse", "vlb")
"""The entries of `training_loss` beside the loss itself."""


class LossMeter:
    """The mean over t of the loss and its parts since it was last read, and of the loss for each quartile of t.

    The losses are weighted as the timestep sampler says, so that the means do not depend on how t is sampled.
    """

    def __init__(self, T: int, device: torch.device) -> None:
        self._T = T
        self._sums = torch.zeros(4, device=device)
        self._counts = torch.zeros(4, device=device)
        self._parts = torch.zeros(len(PARTS), device=device)
        self._seen: set[str] = set()

    def update(self, t: Tensor, losses: Mapping[str, Tensor], weight: Tensor) -> None:
        """Add the losses (B,), by name, at steps t (B,) in 1..T, with their weights (B,)."""
        quartile = ((t - 1) * 4 // self._T).to(self._sums.device)
        self._sums.index_add_(0, quartile, losses["loss"].detach() * weight)
        self._counts.index_add_(0, quartile, weight)
        for k, name in enumerate(PARTS):
            if name in losses:
                self._seen.add(name)
                self._parts[k] += (losses[name].detach() * weight).sum()

    def read(self) -> dict[str, float | None]:
        """'loss', 'loss_q1'..'loss_q4' (q1: least noise; None if no t fell there), 'mse', and 'vlb', bits/dim of the
        network's input less the prior's, where the objective has it; starts afresh.
        """
        sums, counts, parts = self._sums.tolist(), self._counts.tolist(), self._parts.tolist()
        for tensor in (self._sums, self._counts, self._parts):
            tensor.zero_()
        quartiles = {f"loss_q{i + 1}": s / n if n else None for i, (s, n) in enumerate(zip(sums, counts, strict=True))}
        total = sum(counts)
        means = {name: part / total for name, part in zip(PARTS, parts, strict=True) if name in self._seen and total}
        return {"loss": sum(sums) / total if total else None, **quartiles, **means}

    def is_finite(self) -> bool:
        """Whether every loss since the last reading was finite."""
        return bool(self._sums.isfinite().all())

    def state_dict(self) -> dict[str, Tensor]:
        """For the checkpoint."""
        return {"sums": self._sums, "counts": self._counts, "parts": self._parts}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """From the checkpoint."""
        for name, tensor in self.state_dict().items():
            tensor.copy_(state[name])
