"""What a side makes of a workload: a step to be timed."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from alphabar.networks.precision import PRECISIONS, faster


class Made(NamedTuple):
    """`step` does `steps` steps of the workload's at once (a chain), or one of them.

    rest: what is done after a turn, and does not count.
    """

    step: Callable[[], object]
    parameters: int
    precision: str = "fp32"
    why: str = "not tried in bf16"
    steps: int = 1
    rest: Callable[[], object] = lambda: None


def chosen(work: Callable[[torch.dtype | None], object], device: torch.device) -> tuple[torch.dtype | None, str, str]:
    """The faster precision for `work`: its type, its name, and why it is."""
    name, ratio = faster(work, device)
    return PRECISIONS[name], name, f"bf16 is {ratio:.2f} times as fast as fp32"


def pictures(shape: tuple[int, ...], batch: int, device: torch.device) -> Tensor:
    """Images (B, C, H, W) in [-1, 1]."""
    return torch.rand(batch, *shape, device=device) * 2 - 1
