"""The count of steps that were skipped, and where the latest row of them began."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Bad:
    """The first of some skipped steps, and how many they are."""

    step: int
    """The step, counted from 0, as its batch and its noise are."""
    images: int
    """The images seen before it, which is the position of its batch in the stream."""
    t: list[int]
    count: int
    """How many were skipped since the last report."""


class Skips:
    """Steps whose loss or gradient was not finite, counted on `device`, where nothing waits for them."""

    def __init__(self, device: torch.device) -> None:
        self.in_a_row = torch.zeros((), dtype=torch.int64, device=device)
        """The latest steps that were skipped, in a row."""
        self._count, self._step, self._images = (torch.zeros_like(self.in_a_row) for _ in range(3))
        self._t: Tensor | None = None

    def note(self, is_good: Tensor, t: Tensor, step: int, images: int) -> None:
        """Note that a step at t (B,) was good, or not; `is_good` is a truth value () on the device."""
        is_first = ~is_good & (self._count == 0)
        self._step = torch.where(is_first, step, self._step)
        self._images = torch.where(is_first, images, self._images)
        t = t.to(is_good.device)
        self._t = t if self._t is None or self._t.shape != t.shape else torch.where(is_first, t, self._t)
        self._count = self._count + (~is_good).long()
        self.in_a_row = torch.where(is_good, 0, self.in_a_row + 1)

    def read(self) -> Bad | None:
        """The steps that were skipped since the last reading, which waits for the device; None if none was."""
        if not (count := int(self._count)):
            return None
        self._count = torch.zeros_like(self._count)
        return Bad(int(self._step), int(self._images), [] if self._t is None else self._t.tolist(), count)

    def forget(self, in_a_row: int = 0) -> None:
        """Begin anew, with so many in a row."""
        self.in_a_row = torch.full_like(self.in_a_row, in_a_row)
        self._count = torch.zeros_like(self._count)
