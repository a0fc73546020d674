"""Networks without values, which tell the names and shapes of their weights and what they cost, and take no memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

FILL = ("normal_", "uniform_", "zero_", "fill_")


@contextmanager
def without_values() -> Iterator[None]:
    """New tensors have a type and a shape and nothing else, until the block ends."""
    with torch.device("meta"), _Unfilled():
        yield


def multiply_adds(network: nn.Module, shape: tuple[int, int, int]) -> int:
    """The multiply-adds of the convolutions, linear layers and attention in a forward pass of one image (C, H, W).

    network: without values. Upsampling counts as it is computed here, which is fewer than in the papers' code.
    """
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        labels = {} if getattr(network, "num_classes", None) is None else {"y": torch.zeros(1, dtype=torch.long)}
        if (low_resolution := getattr(network, "low_resolution", None)) is not None:
            labels["low_res"] = torch.zeros(1, shape[0], *low_resolution)
        network(torch.zeros(1, *shape), torch.zeros(1), **labels)
    return int(counter.get_total_flops()) // 2


class _Unfilled(TorchFunctionMode):
    """Leaves out what would fill a tensor: PyTorch imports hundreds of modules to do that for one without values."""

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if getattr(function, "__name__", "") in FILL:
            return args[0] if args else kwargs["tensor"]
        return function(*args, **(kwargs or {}))
