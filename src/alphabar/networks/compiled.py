"""The residual blocks of a network compiled by torch (Inductor), one graph for each kind and shape of block.

Blocks, and not the whole network: most of the time is spent in them, blocks of one shape share a graph, and what is
around them may do what a graph cannot.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from alphabar.errors import AlphabarError
from alphabar.networks.blocks import blocks

MOST_GRAPHS = 256
"""Graphs that torch keeps for a block's code, of which there is one for each shape; it gives up compiling after 8."""


def compile_blocks(network: nn.Module) -> None:
    """Let the blocks of `network` be compiled at their first call with gradients; weights and their names stay.

    Calls without gradients are few in a training, and of other shapes; they are not compiled. AlphabarError if a
    compiler that it takes on the network's device is not there.
    """
    check_compiler(next(network.parameters()).device)
    import torch._dynamo

    torch._dynamo.config.recompile_limit = MOST_GRAPHS
    for block in blocks(network):
        block.forward = _with_gradients(block.forward)  # and not the module, whose hooks stay outside of the graph


def _with_gradients(forward: Callable[..., Tensor]) -> Callable[..., Tensor]:
    compiled: Any = torch.compile(forward, dynamic=False)

    def call(*args: Tensor) -> Tensor:
        result: Tensor = (compiled if torch.is_grad_enabled() else forward)(*args)
        return result

    return call


class Compiled:
    """The graphs that were compiled since they were last asked for: some in the first steps, and none after them."""

    def __init__(self) -> None:
        self._seen = graphs()

    def row(self) -> dict[str, float]:
        """The entry of the metrics; none if there are no new graphs."""
        seen, self._seen = self._seen, graphs()
        return {"graphs_compiled": self._seen - seen} if self._seen > seen else {}


def graphs() -> int:
    """How many graphs this process has compiled so far."""
    from torch._dynamo.utils import counters

    return int(counters["stats"]["unique_graphs"])


def check_compiler(device: torch.device) -> None:
    """AlphabarError if the compiler that Inductor takes is not there: a C++ compiler on a CPU, Triton on a GPU."""
    if device.type == "cuda":
        from torch.utils._triton import has_triton

        if not has_triton():
            raise AlphabarError(
                "training.compile=true needs Triton on this GPU, and it is missing or does not support it; leave "
                "training.compile at false."
            )
        return
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        raise AlphabarError(
            "training.compile=true needs a C++ compiler on a CPU, and there is none here; install g++, or leave "
            "training.compile at false."
        ) from None
