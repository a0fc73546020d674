"""The only file that knows torch.distributed: which of torchrun's processes this is. On one process, no-ops."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

T = TypeVar("T")

_PATIENCE = timedelta(days=7)  # one rank may draw for long while the others wait


def rank() -> int:
    """Of this process, 0..world_size() - 1."""
    return int(os.environ.get("RANK", "0")) if world_size() > 1 else 0


def world_size() -> int:
    """How many processes torchrun started on all machines; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_rank() -> int:
    """Of this process on its machine: the number of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def is_main() -> bool:
    """Whether this is the process that talks, and writes what is written once."""
    return rank() == 0


def mine(items: Sequence[T]) -> Sequence[T]:
    """This process's share of `items`: every world_size()-th."""
    return items[rank() :: world_size()]


def barrier() -> None:
    """Wait until every process is here."""
    if world_size() > 1:
        import torch.distributed as dist

        dist.barrier()


@contextmanager
def session() -> Iterator[None]:
    """The processes that torchrun started are one group while the block lasts."""
    if world_size() == 1:
        yield
        return
    import torch.distributed as dist

    dist.init_process_group("gloo", timeout=_PATIENCE)
    try:
        yield
    finally:
        dist.destroy_process_group()
