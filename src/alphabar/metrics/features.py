"""What an extractor says of a set of images: rows that are read when they are needed, from memory or from disk."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor


@dataclass(frozen=True)
class Rows:
    """The rows start..stop-1 of a table (N, D) float32 that `read(first, last)` gives, on the device of its choice."""

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
        """The rows first..last-1 of these; nothing is read."""
        return Rows(self.read, self.start + first, self.start + min(last, len(self)))

    def load(self) -> Tensor:
        """All of them, (N, D)."""
        return self.read(self.start, self.stop)

    def blocks(self, size: int = 1000) -> Iterator[Tensor]:
        """All of them, at most `size` at a time, in order."""
        for first in range(self.start, self.stop, size):
            yield self.read(first, min(first + size, self.stop))


@dataclass(frozen=True)
class Features:
    """vectors (N, D) and class logits (N, K), or None, of N images in an order that is random and fixed.

    So any contiguous part is a random sample of the whole, and two parts that do not overlap are independent.
    """

    vectors: Rows
    logits: Rows | None = None

    @classmethod
    def of(cls, vectors: Tensor, logits: Tensor | None = None) -> "Features":
        """From tensors."""
        return cls(Rows.of(vectors), None if logits is None else Rows.of(logits))

    def __len__(self) -> int:
        return len(self.vectors)

    def part(self, first: int, last: int) -> "Features":
        """Of the images first..last-1; nothing is read."""
        return Features(self.vectors.part(first, last), None if self.logits is None else self.logits.part(first, last))

    def groups(self, count: int) -> list["Features"]:
        """`count` parts whose sizes differ by one at most (fewer, of one image each, if there are not so many)."""
        count = min(count, len(self))
        edges = [len(self) * g // count for g in range(count + 1)]
        return [self.part(first, last) for first, last in pairwise(edges)]


@dataclass(frozen=True)
class Moments:
    """The number of images, the mean (D,) and the unbiased covariance (D, D) of their vectors, in float64."""

    n: int
    mean: Tensor
    cov: Tensor


def moments(features: Features) -> Moments:
    """In one pass over the rows, with the first block's mean subtracted, so that no digits cancel."""
    return merged([sums(features)])


@dataclass(frozen=True)
class Sums:
    """n, Σ(x − c) and Σ(x − c)(x − c)ᵀ about a centre c (D,): they add up, which moments do not."""

    n: int
    centre: Tensor
    first: Tensor
    second: Tensor


def sums(features: Features, centre: Tensor | None = None) -> Sums:
    """About `centre`, or about the mean of the first block; float64."""
    n, first, second = 0, torch.zeros(()), torch.zeros(())
    for block in features.vectors.blocks():
        x = block.double()
        centre = x.mean(0) if centre is None else centre
        x = x - centre
        n, first, second = n + len(x), first.to(x.device) + x.sum(0), second.to(x.device) + x.T @ x
    if centre is None:
        raise ValueError("moments need at least one image; got 0")
    return Sums(n, centre, first, second)


def merged(parts: list[Sums]) -> Moments:
    """The moments of all the images together; the parts must share their centre."""
    n = sum(part.n for part in parts)
    if n < 2:
        raise ValueError(f"a covariance needs at least two images; got {n}")
    if not all(torch.equal(part.centre, parts[0].centre) for part in parts):
        raise ValueError("sums about different centres do not add up; take them all about the same one")
    first = sum((part.first for part in parts), torch.zeros_like(parts[0].first))
    second = sum((part.second for part in parts), torch.zeros_like(parts[0].second))
    mean = first / n
    return Moments(n, parts[0].centre + mean, (second - n * torch.outer(mean, mean)) / (n - 1))
