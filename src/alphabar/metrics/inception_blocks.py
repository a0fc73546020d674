"""The eleven blocks of the Inception network of FID: parallel branches of convolutions, described by a table."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Kernel = tuple[int, int]
Step = tuple[int, *tuple[Kernel, ...]]
"""(channels, kernel, kernel ...): one or more convolutions of the same input, whose outputs are concatenated."""
Branches = dict[str, Sequence[Step]]
Pool = Callable[[Tensor], Tensor]


class Conv(nn.Module):
    """relu(bn(conv(x))), where the convolution has no bias."""

    def __init__(self, inputs: int, channels: int, kernel: Kernel, stride: int = 1, padding: Kernel = (0, 0)) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, channels, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(channels, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, channels, H', W')."""
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Mixed(nn.Module):
    """An Inception block: the concatenated outputs of parallel branches, each a chain of steps.

    The branch `branch_pool` starts with `pool`. If `pool` is `halving`, the last step of each branch has stride 2 and
    no padding; everything else keeps the size. The k-th of several steps is named branch_k. A step with two kernels has
    two layers, branch_ka and branch_kb.
    """

    def __init__(self, inputs: int, branches: Branches, pool: Pool) -> None:
        super().__init__()
        self.pool = pool
        self.branches: list[tuple[str, list[list[str]]]] = []
        self.channels = 0
        for branch, steps in branches.items():
            width, chain = inputs, []
            for k, (channels, *kernels) in enumerate(steps, start=1):
                name = f"{branch}_{k}" if len(steps) > 1 else branch
                layers = [name + letter for letter in "ab"] if len(kernels) > 1 else [name]
                halves = pool is halving and k == len(steps)
                for layer, kernel in zip(layers, kernels, strict=True):
                    padding = (0, 0) if halves else (kernel[0] // 2, kernel[1] // 2)
                    self.add_module(layer, Conv(width, channels, kernel, 2 if halves else 1, padding))
                width = channels * len(kernels)
                chain.append(layers)
            self.branches.append((branch, chain))
            self.channels += width

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, channels, H, W), or half that height and width if `pool` is `halving`."""
        return torch.cat([self._branch(branch, chain, x) for branch, chain in self.branches], 1)

    def _branch(self, branch: str, chain: list[list[str]], x: Tensor) -> Tensor:
        x = self.pool(x) if branch == "branch_pool" else x
        for layers in chain:
            parts = [getattr(self, layer)(x) for layer in layers]
            x = torch.cat(parts, 1) if len(parts) > 1 else parts[0]
        return x


def average(x: Tensor) -> Tensor:
    """3×3 average pool with stride 1; positions outside the image do not count."""
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


def maximum(x: Tensor) -> Tensor:
    """3×3 max pool with stride 1."""
    return F.max_pool2d(x, 3, stride=1, padding=1)


def halving(x: Tensor) -> Tensor:
    """3×3 max pool with stride 2 and no padding."""
    return F.max_pool2d(x, 3, stride=2)


def _a(pooled: int) -> Branches:
    return {
        "branch1x1": [(64, (1, 1))],
        "branch5x5": [(48, (1, 1)), (64, (5, 5))],
        "branch3x3dbl": [(64, (1, 1)), (96, (3, 3)), (96, (3, 3))],
        "branch_pool": [(pooled, (1, 1))],
    }


def _c(width: int) -> Branches:
    row, column = (1, 7), (7, 1)
    return {
        "branch1x1": [(192, (1, 1))],
        "branch7x7": [(width, (1, 1)), (width, row), (192, column)],
        "branch7x7dbl": [(width, (1, 1)), (width, column), (width, row), (width, column), (192, row)],
        "branch_pool": [(192, (1, 1))],
    }


_B: Branches = {
    "branch3x3": [(384, (3, 3))],
    "branch3x3dbl": [(64, (1, 1)), (96, (3, 3)), (96, (3, 3))],
    "branch_pool": [],
}
_D: Branches = {
    "branch3x3": [(192, (1, 1)), (320, (3, 3))],
    "branch7x7x3": [(192, (1, 1)), (192, (1, 7)), (192, (7, 1)), (192, (3, 3))],
    "branch_pool": [],
}
_E: Branches = {
    "branch1x1": [(320, (1, 1))],
    "branch3x3": [(384, (1, 1)), (384, (1, 3), (3, 1))],
    "branch3x3dbl": [(448, (1, 1)), (384, (3, 3)), (384, (1, 3), (3, 1))],
    "branch_pool": [(192, (1, 1))],
}

BLOCKS: dict[str, tuple[Branches, Pool]] = {
    "Mixed_5b": (_a(32), average),
    "Mixed_5c": (_a(64), average),
    "Mixed_5d": (_a(64), average),
    "Mixed_6a": (_B, halving),
    "Mixed_6b": (_c(128), average),
    "Mixed_6c": (_c(160), average),
    "Mixed_6d": (_c(160), average),
    "Mixed_6e": (_c(192), average),
    "Mixed_7a": (_D, halving),
    "Mixed_7b": (_E, average),
    "Mixed_7c": (_E, maximum),  # the paper and torchvision use an average pool here
}
