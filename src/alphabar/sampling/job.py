"""The images that are to be sampled. Image k depends on seed k alone: not on the batch, nor on the other seeds."""

from collections.abc import Iterator
from dataclasses import dataclass

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

    def __post_init__(self) -> None:
        check_count(len(self.seeds))

    def batches(self, size: int) -> Iterator["Job"]:
        """The job in pieces of at most `size` images."""
        for i in range(0, len(self.seeds), size):
            labels = None if self.labels is None else self.labels[i : i + size]
            yield Job(self.seeds[i : i + size], labels, self.shape)

    def label_tensor(self) -> Tensor | None:
        """The classes, int64 (N,); None without classes."""
        return None if self.labels is None else torch.tensor(self.labels)
