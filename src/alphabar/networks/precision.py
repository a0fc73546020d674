"""Half precision inside the network, whose input and output stay float32; and whether that is faster here."""

import time
from collections.abc import Callable

import torch
from torch import Tensor

PRECISIONS: dict[str, torch.dtype | None] = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
AUTO = "auto"
"""In the place of a precision: the faster one of fp32 and bf16, measured."""
MARGIN = 1.2
"""How many times as fast bf16 has to be to be chosen."""
DEVICES = ("cpu", "cuda")
"""Where bf16 is tried; elsewhere it may be missing."""
HOPELESS = 4
"""How many times as long as in fp32 the first call in bf16 may take."""
PATIENCE, MOST = 0.25, 5
"""Seconds for each precision, and rounds, after which there are enough; one round follows the warm-up at least."""


def allow_tf32(is_allowed: bool) -> None:
    """Whether convolutions and matrix products in fp32 may round their inputs to TF32, 10 bits, on an NVIDIA GPU.

    It holds for the whole process. torch allows it for convolutions, unless it is told not to.
    """
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = is_allowed


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


def faster(work: Callable[[torch.dtype | None], object], device: torch.device) -> tuple[str, float]:
    """The faster precision for `work`, a call of the network in a precision, and how many times as fast bf16 is.

    Both are tried in turn, and the fastest call of each counts: other work of the machine only makes one slower. On a
    CPU its own time is taken, which does not count when others have the cores.
    """
    if device.type not in DEVICES:
        return "fp32", 1.0
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    spans: dict[str, list[float]] = {"fp32": [], "bf16": []}
    for rounds in range(MOST + 1):
        for name, measured in spans.items():
            began = clock()
            work(PRECISIONS[name])
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            measured.append(clock() - began)
        is_hopeless = device.type == "cpu" and measured[0] > HOPELESS * spans["fp32"][0]
        if is_hopeless:  # a processor without bf16 takes very long for it
            return "fp32", spans["fp32"][0] / measured[0]
        if rounds and min(map(sum, spans.values())) > 2 * PATIENCE:
            break
    fp32, bf16 = (min(measured[1:]) for measured in spans.values())
    return ("bf16" if fp32 >= MARGIN * bf16 else "fp32"), fp32 / bf16
