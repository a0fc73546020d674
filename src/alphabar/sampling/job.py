"""The images that are to be sampled. Image k depends on seed k alone: not on the batch, nor on the other seeds."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from alphabar import seeds as seed_lists
from alphabar.errors import AlphabarError


def check_count(count: int) -> None:
    """AlphabarError for more images than one job can have."""
    if count > seed_lists.MOST:
        raise AlphabarError(f"{count:,} images are too many for one job; sample at most {seed_lists.MOST:,} at a time.")


@dataclass(frozen=True)
class Job:
    """A seed for each image, its class (None: no classes), and the shape (C, H, W) of an image."""

    seeds: tuple[int, ...]
    labels: tuple[int, ...] | None
    shape: tuple[int, int, int]
    low_res: Tensor | None = field(default=None, compare=False)
    """The small images that an upsampler enlarges, uint8 (N, C, h, w)."""

    def __post_init__(self) -> None:
        check_count(len(self.seeds))

    def batches(self, size: int) -> Iterator["Job"]:
        """The job in pieces of at most `size` images."""
        for i in range(0, len(self.seeds), size):
            yield self.of(range(i, min(i + size, len(self.seeds))))

    def of(self, rows: Sequence[int]) -> "Job":
        """The job of these images of it."""
        labels = None if self.labels is None else tuple(self.labels[k] for k in rows)
        low_res = None if self.low_res is None else self.low_res[list(rows)]
        return Job(tuple(self.seeds[k] for k in rows), labels, self.shape, low_res)

    def low_res_sha256(self, k: int) -> str:
        """What tells the small image k from others."""
        assert self.low_res is not None
        return hashlib.sha256(self.low_res[k].contiguous().numpy().data).hexdigest()

    def label_tensor(self) -> Tensor | None:
        """The classes, int64 (N,); None without classes."""
        return None if self.labels is None else torch.tensor(self.labels)
