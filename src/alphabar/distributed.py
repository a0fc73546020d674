"""The only file that knows torch.distributed: which of torchrun's processes this is. On one process, no-ops."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from alphabar.errors import AlphabarError

if TYPE_CHECKING:
    from torch import Tensor

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


def gathered(rows: "Tensor") -> "Tensor":
    """The rows (n, k) of this process -> those of all, in the order of the ranks; n may differ from rank to rank."""
    if world_size() == 1:
        return rows
    import torch
    import torch.distributed as dist

    here = rows.cpu()  # where gloo works
    sizes = [torch.zeros(1, dtype=torch.int64) for _ in range(world_size())]
    dist.all_gather(sizes, torch.tensor([len(here)]))
    most = int(max(sizes))
    padded = torch.cat([here, here.new_zeros((most - len(here), *here.shape[1:]))])
    parts = [torch.empty_like(padded) for _ in sizes]
    dist.all_gather(parts, padded)
    return torch.cat([part[: int(size)] for part, size in zip(parts, sizes, strict=True)]).to(rows.device)


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
