"""Half precision inside the network, whose input and output stay float32."""

from collections.abc import Callable

import torch
from torch import Tensor

PRECISIONS: dict[str, torch.dtype | None] = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(network: Callable[..., Tensor], device_type: str, dtype: torch.dtype | None) -> Callable[..., Tensor]:
    """`network` run under autocast to `dtype`, with its output in float32; `network` itself if dtype is None.

    Noise, coefficients and loss are computed outside the network, in float32: bf16 would round σ_t to 0 at small t.
    """
    if dtype is None:
        return network

    def cast(x: Tensor, time: Tensor, **labels: Tensor) -> Tensor:
        with torch.autocast(device_type, dtype):
            return network(x, time, **labels).float()

    return cast
