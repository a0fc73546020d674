"""Gradient checkpointing: less memory for the time of a second forward pass."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint


def computed(compute: Callable[[Tensor, Tensor], Tensor], x: Tensor, e: Tensor, again: bool) -> Tensor:
    """compute(x, e); again: its activations are not kept for the backward pass, which computes them once more."""
    if not (again and torch.is_grad_enabled()):
        return compute(x, e)
    result: Tensor = checkpoint(compute, x, e, use_reentrant=False)
    return result
