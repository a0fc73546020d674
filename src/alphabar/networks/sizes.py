"""Networks without values, which tell the names and shapes of their weights and take no memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

FILL = ("normal_", "uniform_", "zero_", "fill_")


@contextmanager
def without_values() -> Iterator[None]:
    """New tensors have a type and a shape and nothing else, until the block ends."""
    with torch.device("meta"), _Unfilled():
        yield


class _Unfilled(TorchFunctionMode):
    """Leaves out what would fill a tensor: PyTorch imports hundreds of modules to do that for one without values."""

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if getattr(function, "__name__", "") in FILL:
            return args[0] if args else kwargs["tensor"]
        return function(*args, **(kwargs or {}))
