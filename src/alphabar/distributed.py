"""The only file that knows torch.distributed: which of torchrun's processes this is. On one process, no-ops."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

from alphabar.errors import AlphabarError

T = TypeVar("T")

_PATIENCE = timedelta(days=7)  # one rank may draw for long while the others wait


def rank() -> int:
    """Of this process, 0..world_size() - 1."""
    return _number("RANK", 0) if world_size() > 1 else 0


def world_size() -> int:
    """How many processes torchrun started on all machines; 1 without it."""
    return _number("WORLD_SIZE", 1)


def local_rank() -> int:
    """Of this process on its machine: the number of its GPU."""
    return _number("LOCAL_RANK", 0)


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, str(default))
    if not text.isdecimal():
        raise AlphabarError(f"The environment variable {name} must be a number, as torchrun sets it; it is '{text}'.")
    return int(text)


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

        try:
            dist.barrier()
        except RuntimeError:
            raise AlphabarError(f"Process {rank()} stops, because another one did.") from None


@contextmanager
def session() -> Iterator[None]:
    """The processes that torchrun started are one group while the block lasts."""
    if world_size() == 1:
        yield
        return
    import torch.distributed as dist

    try:
        dist.init_process_group("gloo", timeout=_PATIENCE)
    except (ValueError, RuntimeError) as error:
        raise AlphabarError(
            f"WORLD_SIZE is {world_size()}, and the other processes cannot be met ({error}); start all with torchrun."
        ) from None
    try:
        yield
    finally:
        dist.destroy_process_group()
