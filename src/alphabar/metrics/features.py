"""The features of a set of images, as rows that are read from memory or disk only when they are needed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from alphabar.errors import AlphabarError


@dataclass(frozen=True)
class Rows:
    """Rows start..stop-1 of a float32 table (N, D); `read(first, last)` returns rows first..last-1, on any device."""

    read: Callable[[int, int], Tensor]
    start: int
    stop: int

    @classmethod
    def of(cls, table: Tensor) -> "Rows":
        """The rows of a tensor (N, D)."""
        return cls(lambda first, last: table[first:last], 0, len(table))

    def __len__(self) -> int:
        return self.stop - self.start

    def part(self, first: int, last: int) -> "Rows":
        """Rows first..last-1 of these rows. Nothing is read yet."""
        return Rows(self.read, self.start + first, self.start + min(last, len(self)))

    def load(self) -> Tensor:
        """All rows, (N, D)."""
        return self.read(self.start, self.stop)

    def blocks(self, size: int = 1000) -> Iterator[Tensor]:
        """All rows in order, in blocks of at most `size`."""
        for first in range(self.start, self.stop, size):
            yield self.read(first, min(first + size, self.stop))


@dataclass(frozen=True)
class Features:
    """The feature vectors (N, D) of N images and their class logits (N, K), if any.

    The images are in a fixed random order. So any contiguous part is a random sample of the whole, and parts that do
    not overlap are independent.
    """

    vectors: Rows
    logits: Rows | None = None

    @classmethod
    def of(cls, vectors: Tensor, logits: Tensor | None = None) -> "Features":
        """The Features of tensors (N, D) and (N, K)."""
        return cls(Rows.of(vectors), None if logits is None else Rows.of(logits))

    def __len__(self) -> int:
        return len(self.vectors)

    def part(self, first: int, last: int) -> "Features":
        """The features of the images first..last-1. Nothing is read yet."""
        return Features(self.vectors.part(first, last), None if self.logits is None else self.logits.part(first, last))

    def groups(self, count: int) -> list["Features"]:
        """`count` parts whose sizes differ by at most one; one part per image if there are fewer images than that."""
        count = min(count, len(self))
        edges = [len(self) * g // count for g in range(count + 1)]
        return [self.part(first, last) for first, last in pairwise(edges)]


@dataclass(frozen=True)
class Moments:
    """The number of images, and the mean (D,) and unbiased covariance (D, D) of their vectors, in float64."""

    n: int
    mean: Tensor
    cov: Tensor


def moments(features: Features) -> Moments:
    """The moments of `features`, in one pass. The first block's mean is subtracted to avoid cancellation."""
    return merged([sums(features)])


@dataclass(frozen=True)
class Sums:
    """n, Σ(x − c) and Σ(x − c)(x − c)ᵀ about a centre c (D,). Unlike moments, sums of parts can be added."""

    n: int
    centre: Tensor
    first: Tensor
    second: Tensor


def sums(features: Features, centre: Tensor | None = None) -> Sums:
    """The Sums of `features` about `centre`, by default the mean of the first block; float64."""
    n, first, second = 0, torch.zeros(()), torch.zeros(())
    for block in features.vectors.blocks():
        x = block.double()
        centre = x.mean(0) if centre is None else centre
        x = x - centre
        n, first, second = n + len(x), first.to(x.device) + x.sum(0), second.to(x.device) + x.T @ x
    if centre is None:
        raise AlphabarError("Moments need at least one image; got 0.")
    return Sums(n, centre, first, second)


def merged(parts: list[Sums]) -> Moments:
    """The moments of all images of `parts`, which must have the same centre."""
    n = sum(part.n for part in parts)
    if n < 2:
        raise AlphabarError(f"A covariance needs at least two images; got {n}.")
    if not all(torch.equal(part.centre, parts[0].centre) for part in parts):
        raise AlphabarError("Sums about different centres cannot be added; use the same centre for all.")
    first = sum((part.first for part in parts), torch.zeros_like(parts[0].first))
    second = sum((part.second for part in parts), torch.zeros_like(parts[0].second))
    mean = first / n
    return Moments(n, parts[0].centre + mean, (second - n * torch.outer(mean, mean)) / (n - 1))
