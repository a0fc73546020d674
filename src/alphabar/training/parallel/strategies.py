"""How several processes train one network: STRATEGIES by name, and the sum of gradients in a fixed order.

Each is PyTorch's own engine behind the few things that a training step needs of it.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from alphabar import distributed
from alphabar.config import Parallel
from alphabar.errors import AlphabarError
from alphabar.networks.blocks import blocks
from alphabar.training.parallel.division import Division


class Strategy(Protocol):
    """The network as the loss calls it, and how the gradients of all micro-batches become one."""

    network: nn.Module
    scale: float
    """What the loss of a micro-batch is multiplied by: the engines average the gradients of the processes."""

    def micro_batch(self, last: bool) -> AbstractContextManager[object]:
        """A block with the forward and the backward pass of a micro-batch; `last`: of this process, in this step."""
        ...

    def finish(self, division: Division) -> None:
        """Complete the gradients of a step, where the engine has not done it."""
        return


class Alone(Strategy):
    """One process: autograd sums the gradients."""

    def __init__(self, network: nn.Module) -> None:
        self.network, self.scale = network, 1.0

    def micro_batch(self, last: bool) -> AbstractContextManager[object]:
        """Nothing to do."""
        return contextlib.nullcontext()


class Replicated(Strategy):
    """DistributedDataParallel: each process has the whole network; gradients are averaged as they are computed."""

    def __init__(self, network: nn.Module, averages: Sequence[nn.Module], device: torch.device) -> None:
        own = None if device.type == "cpu" else [device]
        self._wrapped: Any = nn.parallel.DistributedDataParallel(network, own, gradient_as_bucket_view=True)
        self.network, self.scale = self._wrapped, float(distributed.world_size())

    def micro_batch(self, last: bool) -> AbstractContextManager[object]:
        """The processes exchange gradients in the last micro-batch only."""
        return contextlib.nullcontext() if last else self._wrapped.no_sync()


class Sharded(Strategy):
    """FSDP2: each process keeps a share of every weight, of its averages and of its moments."""

    def __init__(self, network: nn.Module, averages: Sequence[nn.Module], device: torch.device) -> None:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        mesh = init_device_mesh(device.type, (distributed.world_size(),))
        for each in (network, *averages):
            each.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # FSDP2 takes no other
            for block in blocks(each):
                fully_shard(block, mesh=mesh)
            fully_shard(each, mesh=mesh)
        self.network, self.scale = network, float(distributed.world_size())

    def micro_batch(self, last: bool) -> AbstractContextManager[object]:
        """The processes exchange gradients in the last micro-batch only."""
        self.network.set_requires_gradient_sync(last)  # type: ignore[operator]
        return contextlib.nullcontext()


class Ordered(Strategy):
    """The gradients of all micro-batches, gathered and added one after the other in the order of the batch.

    The sum has the same bits on any number of processes, which all hold the whole network. It takes memory for the
    gradients of all micro-batches.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network, self.scale = network, 1.0
        self._parameters = list(network.parameters())
        self._parts: list[Tensor] = []

    @contextlib.contextmanager
    def _kept(self) -> Iterator[None]:
        yield
        self._parts.append(torch.cat([_zero_if_none(p).flatten() for p in self._parameters]))
        for parameter in self._parameters:
            parameter.grad = None

    def micro_batch(self, last: bool) -> AbstractContextManager[object]:
        """Keep the gradient of the micro-batch by itself."""
        return self._kept()

    def finish(self, division: Division) -> None:
        """Add them up."""
        own, self._parts = torch.stack(self._parts), []
        first, *others = distributed.in_order(own, list(map(len, division.micro_batches)))
        for other in others:
            first = first + other
        sizes = [parameter.numel() for parameter in self._parameters]
        for parameter, part in zip(self._parameters, first.split(sizes), strict=True):
            parameter.grad = torch.empty_like(parameter).copy_(part.view(parameter.shape))


def _zero_if_none(parameter: Tensor) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


Engine = Callable[[nn.Module, Sequence[nn.Module], torch.device], Strategy]
STRATEGIES: dict[str, Engine] = {"ddp": Replicated, "fsdp2": Sharded}
"""The engines by name: (network, its averages, device) -> strategy."""


def shares_out(section: Parallel) -> bool:
    """Whether no process holds the whole network."""
    return section.strategy == "fsdp2" and distributed.world_size() > 1 and not section.exact


def strategy(section: Parallel, precision: str, network: nn.Module, averages: Sequence[nn.Module]) -> Strategy:
    """How this run's processes train; AlphabarError for what does not go together."""
    if section.strategy == "fsdp2" and section.exact:
        raise AlphabarError(
            "parallel.exact=true adds whole gradients, and parallel.strategy=fsdp2 keeps shares of them; use ddp."
        )
    if section.strategy == "fsdp2" and precision == "fp16":
        raise AlphabarError("parallel.strategy=fsdp2 does not train in fp16; set training.precision=bf16.")
    if section.exact:
        return Ordered(network)
    if distributed.world_size() == 1:
        return Alone(network)
    return STRATEGIES[section.strategy](network, averages, next(network.parameters()).device)
