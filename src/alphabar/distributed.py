"""Multi-process support by torchrun: ranks, barriers and gathering. With one process, everything is a no-op.

No other module uses torch.distributed.
"""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

from alphabar.errors import AlphabarError

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")
E = TypeVar("E", bound=AlphabarError)

_PATIENCE = timedelta(days=7)  # one rank may sample for a long time while the others wait


def rank() -> int:
    """The rank of this process, 0..world_size() - 1."""
    return _number("RANK", 0) if world_size() > 1 else 0


def world_size() -> int:
    """The number of processes that work together: `launched`, or 1 in a block of `alone`."""
    return 1 if _is_alone else launched()


def launched() -> int:
    """The number of processes that torchrun started on all machines; 1 without torchrun."""
    return _number("WORLD_SIZE", 1)


_is_alone = False


@contextmanager
def alone() -> Iterator[None]:
    """A block in which this process works as if there were no others."""
    global _is_alone
    before, _is_alone = _is_alone, True
    try:
        yield
    finally:
        _is_alone = before


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


def share(count: int) -> range:
    """This process's rows of `count`: those of all processes, in the order of ranks, are 0..count-1."""
    return shares(count)[rank()]


def shares(count: int) -> list[range]:
    """The rows of each process."""
    borders = [count * number // world_size() for number in range(world_size() + 1)]
    return [range(first, last) for first, last in pairwise(borders)]


def mine(items: Sequence[T]) -> Sequence[T]:
    """This process's share of `items`: every world_size()-th, starting at its rank."""
    return items[rank() :: world_size()]


def barrier() -> None:
    """Waits until every process has reached this call."""
    if world_size() > 1:
        import torch.distributed as dist

        with _company():
            dist.barrier()


def gathered(rows: "Tensor") -> "Tensor":
    """The rows (n, ...) of all processes, concatenated in the order of ranks; n may differ between ranks."""
    if world_size() == 1:
        return rows
    import torch
    import torch.distributed as dist

    sizes = [torch.zeros(1, dtype=torch.int64) for _ in range(world_size())]
    with _company():
        dist.all_gather(sizes, torch.tensor([len(rows)]))
    return in_order(rows, [int(size) for size in sizes])


def in_order(rows: "Tensor", sizes: Sequence[int]) -> "Tensor":
    """`gathered`, where every process knows how many rows each has: the host does not wait for a GPU."""
    if world_size() == 1:
        return rows
    import torch
    import torch.distributed as dist

    padded = torch.cat([rows, rows.new_zeros((max(sizes) - len(rows), *rows.shape[1:]))])
    parts = [torch.empty_like(padded) for _ in sizes]
    with _company():
        dist.all_gather(parts, padded)
    return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])


def highest(*numbers: float) -> tuple[float, ...]:
    """The highest value that any process gives for each number, so that all decide alike."""
    if world_size() == 1:
        return numbers
    import torch
    import torch.distributed as dist

    values = torch.tensor(numbers, dtype=torch.float64)
    with _company():
        dist.all_reduce(values, dist.ReduceOp.MAX)
    return tuple(values.tolist())


def of_main(value: T) -> T:
    """The value that the main process gives."""
    if world_size() == 1:
        return value
    import torch.distributed as dist

    values = [value]
    with _company():
        dist.broadcast_object_list(values)
    return values[0]


@contextmanager
def alike() -> Iterator[None]:
    """A block that fails in all processes if it fails in one; the main process then says why, the others nothing."""
    error: AlphabarError | None = None
    try:
        yield
    except AlphabarError as own:
        error = own
    if world_size() > 1:
        import torch.distributed as dist

        reasons: list[tuple[str, ...] | None] = [None] * world_size()
        with _company():
            dist.all_gather_object(reasons, error and error.args)
        failed = [number for number, reason in enumerate(reasons) if reason is not None]
        if failed and not is_main():
            raise _said_elsewhere(error or AlphabarError(*(reasons[failed[0]] or ())))
        if failed and error is None:
            raise AlphabarError(*(f"In process {failed[0]}: {reason}" for reason in reasons[failed[0]] or ()))
    if error is not None:
        raise error


def is_said_elsewhere(error: BaseException) -> bool:
    """Whether the main process says what this error of another one says."""
    return getattr(error, "is_said_elsewhere", False)


def said_once(error: E) -> E:
    """`error`, which is raised in all processes alike, so that the main one alone says it."""
    return error if is_main() else _said_elsewhere(error)


def _said_elsewhere(error: E) -> E:
    error.is_said_elsewhere = True  # type: ignore[attr-defined]
    return error


@contextmanager
def _company() -> Iterator[None]:
    """A block in which the processes wait for each other; AlphabarError if one is gone."""
    try:
        yield
    except (RuntimeError, ValueError):
        raise said_once(AlphabarError(f"Process {rank()} stops, because another process stopped.")) from None


def _attempt() -> str:
    """A name for this start of the processes: torchrun starts them again with the addresses of the dead in store.

    Several machines count their starts differently: there TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 clears the store.
    """
    on_one_machine = os.environ.get("GROUP_WORLD_SIZE") == "1"
    return os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") if on_one_machine else "0"


@contextmanager
def session() -> Iterator[None]:
    """A block in which the processes that torchrun started form one process group.

    What lies on a CPU is exchanged by gloo, and what lies on a GPU by NCCL.
    """
    if world_size() == 1:
        yield
        return
    import torch
    import torch.distributed as dist
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    try:
        store, number, count = next(rendezvous("env://", timeout=_PATIENCE))
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(
            backend, timeout=_PATIENCE, store=PrefixStore(_attempt(), store), rank=number, world_size=count
        )
    except (ValueError, RuntimeError) as error:
        raise AlphabarError(
            f"WORLD_SIZE is {world_size()}, but the other processes cannot be reached ({error}); "
            "start all of them with torchrun."
        ) from None
    try:
        yield
    finally:
        # The end of a group waits for its thread, which may wait for the interpreter's lock to let go of a tensor: so
        # no object that is dropped while that lock is held, such as the network of DDP, may be the group's last owner.
        _ENDED.append(dist.group.WORLD)
        time.sleep(0.01)
        dist.destroy_process_group()


_ENDED: list[object] = []
"""The groups of earlier sessions, kept to the end of the program."""
