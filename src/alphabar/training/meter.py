"""The running loss, kept on the device: reading it is the only time that the host waits for a step."""

import torch
from torch import Tensor


class LossMeter:
    """The mean loss since it was last read, in all and for each quartile of t."""

    def __init__(self, T: int, device: torch.device) -> None:
        self._T = T
        self._sums = torch.zeros(4, device=device)
        self._counts = torch.zeros(4, device=device)

    def update(self, t: Tensor, loss: Tensor) -> None:
        """Take in the losses (B,) at steps t (B,) in 1..T."""
        quartile = ((t - 1) * 4 // self._T).to(self._sums.device)
        self._sums.index_add_(0, quartile, loss.detach())
        self._counts.index_add_(0, quartile, torch.ones_like(loss))

    def read(self) -> dict[str, float | None]:
        """'loss' and 'loss_q1'..'loss_q4' (q1: least noise; None if no t fell there); starts afresh."""
        sums, counts = self._sums.tolist(), self._counts.tolist()
        self._sums.zero_()
        self._counts.zero_()
        quartiles = {f"loss_q{i + 1}": s / n if n else None for i, (s, n) in enumerate(zip(sums, counts, strict=True))}
        return {"loss": sum(sums) / sum(counts) if sum(counts) else None, **quartiles}

    def is_finite(self) -> bool:
        """Whether every loss since the last reading was."""
        return bool(self._sums.isfinite().all())

    def state_dict(self) -> dict[str, Tensor]:
        """For the checkpoint."""
        return {"sums": self._sums, "counts": self._counts}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """From the checkpoint."""
        self._sums.copy_(state["sums"])
        self._counts.copy_(state["counts"])
