"""A 3×3 convolution, 128 -> 128 channels at 32×32: the rate that a network of such convolutions could have."""

import torch
from benchmarks.speed.made import Made
from benchmarks.speed.workload import TRAIN, Workload
from torch import nn

from alphabar import build
from alphabar.networks.precision import PRECISIONS

CALLS = 8


def make(work: Workload, device: torch.device, half: bool) -> Made:
    """Forward and backward where the workload trains, else forward, in bf16 if `half`."""
    name = "bf16" if half else "fp32"
    dtype = PRECISIONS[name] or torch.float32
    layer = build.place(nn.Conv2d(128, 128, 3, padding=1), device).to(dtype)
    x = torch.randn(8, 128, 32, 32, device=device, dtype=dtype).contiguous(memory_format=torch.channels_last)
    learns = work.task == TRAIN
    x.requires_grad_(learns)

    def step() -> None:
        with torch.set_grad_enabled(learns):
            for _ in range(CALLS):
                y = layer(x)
                if learns:
                    y.backward(y.detach())

    return Made(step, sum(p.numel() for p in layer.parameters()), name)
