"""How the images of a batch are divided among the processes, and those of a process into micro-batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from alphabar import distributed
from alphabar.errors import AlphabarError

PARTS = 8
"""The micro-batches of an exact run, if their size is not set: the most processes that can share them."""


@dataclass(frozen=True)
class Division:
    """The rows of each process, as its micro-batches in order; all together are 0..batch - 1."""

    micro_batches: Sequence[Sequence[range]]

    @classmethod
    def of(cls, batch: int, micro_batch_size: int | None, exact: bool) -> "Division":
        """exact: the micro-batches do not depend on the number of processes. AlphabarError if they are too few."""
        if exact:
            size = micro_batch_size or -(-batch // PARTS)
            whole = _cut(range(batch), size)
            _check(len(whole), f"A batch of {batch} images has {len(whole)} micro-batches of {size}")
            return cls([[whole[k] for k in rows] for rows in distributed.shares(len(whole))])
        _check(batch, f"training.batch_size is {batch}")
        return cls([_cut(rows, micro_batch_size or batch) for rows in distributed.shares(batch)])

    @property
    def own(self) -> Sequence[range]:
        """The micro-batches of this process."""
        return self.micro_batches[distributed.rank()]

    @property
    def rows(self) -> range:
        """The rows of this process."""
        return range(self.own[0].start, self.own[-1].stop)

    @property
    def sizes(self) -> list[int]:
        """The number of rows of each process."""
        return [sum(map(len, parts)) for parts in self.micro_batches]

    @property
    def batch(self) -> int:
        """The number of rows of all processes."""
        return sum(map(len, chain(*self.micro_batches)))


def _cut(rows: range, size: int) -> list[range]:
    return [rows[first : first + size] for first in range(0, len(rows), size)]


def _check(parts: int, what: str) -> None:
    if parts < distributed.world_size():
        raise AlphabarError(f"{what}, too few for {distributed.world_size()} processes; start {parts} at most.")
