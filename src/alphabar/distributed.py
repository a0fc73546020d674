"""Multi-process support by torchrun: ranks, barriers and gathering. With one process, everything is a no-op.

No other module uses torch.distributed.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from alphabar.errors import AlphabarError

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")

_PATIENCE = timedelta(days=7)  # one rank may sample for a long time while the others wait


def rank() -> int:
    """The rank of this process, 0..world_size() - 1."""
    return _number("RANK", 0) if world_size() > 1 else 0


def world_size() -> int:
    """The number of processes that torchrun started on all machines; 1 without torchrun."""
    return _number("WORLD_SIZE", 1)


def local_rank() -> int:
    """The rank of this process on its machine, which is the number of its GPU."""
    return _number("LOCAL_RANK", 0)


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, str(default))
    if not text.isdecimal():
        raise AlphabarError(f"The environment variable {name} must be an integer, as torchrun sets it; got '{text}'.")
    return int(text)


def is_main() -> bool:
    """Whether this is the main process, which prints messages and writes files."""
    return rank() == 0


def mine(items: Sequence[T]) -> Sequence[T]:
    """This process's share of `items`: every world_size()-th, starting at its rank."""
    return items[rank() :: world_size()]


def barrier() -> None:
    """Waits until every process has reached this call."""
    if world_size() > 1:
        import torch.distributed as dist

        try:
            dist.barrier()
        except (RuntimeError, ValueError):
            raise AlphabarError(f"Process {rank()} stops, because another process stopped.") from None


def gathered(rows: "Tensor") -> "Tensor":
    """The rows (n, k) of all processes, concatenated in the order of ranks; n may differ between ranks."""
    if world_size() == 1:
        return rows
    import torch
    import torch.distributed as dist

    here = rows.cpu()  # gloo works on the CPU
    sizes = [torch.zeros(1, dtype=torch.int64) for _ in range(world_size())]
    dist.all_gather(sizes, torch.tensor([len(here)]))
    most = int(max(sizes))
    padded = torch.cat([here, here.new_zeros((most - len(here), *here.shape[1:]))])
    parts = [torch.empty_like(padded) for _ in sizes]
    dist.all_gather(parts, padded)
    return torch.cat([part[: int(size)] for part, size in zip(parts, sizes, strict=True)]).to(rows.device)


@contextmanager
def session() -> Iterator[None]:
    """A block in which the processes that torchrun started form one process group."""
    if world_size() == 1:
        yield
        return
    import torch.distributed as dist

    try:
        dist.init_process_group("gloo", timeout=_PATIENCE)
    except (ValueError, RuntimeError) as error:
        raise AlphabarError(
            f"WORLD_SIZE is {world_size()}, but the other processes cannot be reached ({error}); "
            "start all of them with torchrun."
        ) from None
    try:
        yield
    finally:
        dist.destroy_process_group()
