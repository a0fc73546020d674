"""A batch of images onto a stack of bits and off it again, by the chain x_0, x_1, ..., x_T of a diffusion model.

The bound L is a number of bits that can be reached: x_1 is popped with q(x_1 | x_0), x_0 is pushed with p(x_0 | x_1),
x_2 is popped with q(x_2 | x_1), x_1 is pushed with p(x_1 | x_2), ..., and at last x_T is pushed with N(0, I) (bits
back: Hinton & van Camp 1993; Townsend et al. 2019; in this order, Bit-Swap: Kingma et al. 2019). What was popped comes
back when the images are decoded, so the images cost Σ −log₂ p + log₂ q bits, which is L on average (DDPM Eq. 5).

Every x_t, t ≥ 1, is a whole number of steps of a grid that is fine against both Gaussians it is coded with. A network
sees nothing but points of the grid, so encoder and decoder compute the same as long as the network does.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from alphabar import images
from alphabar.coding.grid import Grid
from alphabar.coding.precision import Exact, Rounded
from alphabar.coding.stack import Floats, Ints, Stack
from alphabar.diffusion import Denoiser, p_transition
from alphabar.diffusion.likelihood import predicted

Watch = Callable[[], object]
"""Called after each level of the chain."""


class Bottom(Protocol):
    """The lowest level, by which images are told: integers, and how these are coded."""

    @property
    def row(self) -> int:
        """Its t in the chain."""

    @property
    def dtype(self) -> torch.dtype:
        """The type of the images."""

    def value(self, symbols: Ints) -> Floats:
        """What the level above is noise around."""

    def push(self, stack: Stack, symbols: Ints, mean: Floats, std: Floats) -> None:
        """Symbols under Gaussians, which are in levels of x_0 if `row` is 0, else in steps of the grid."""

    def pop(self, stack: Stack, mean: Floats, std: Floats) -> Ints:
        """What `push` pushed."""


class Pixels:
    """x_0: uint8, whose levels 0..255 are the symbols (DDPM Eq. 13)."""

    row = 0
    dtype = torch.uint8

    def value(self, symbols: Ints) -> Floats:
        """x_0 in [−1, 1]."""
        return images.to_signed(torch.from_numpy(symbols.astype(np.uint8))).double().numpy()

    def push(self, stack: Stack, symbols: Ints, mean: Floats, std: Floats) -> None:
        """Levels under Gaussians in levels."""
        stack.push_levels(symbols, mean, std)

    def pop(self, stack: Stack, mean: Floats, std: Floats) -> Ints:
        """What `push` pushed."""
        return stack.pop_levels(mean, std)


@dataclass(frozen=True, eq=False)
class Chain:
    """A denoiser, on the device of its network, that codes batches of images on the grid of its schedule."""

    denoiser: Denoiser
    grid: Grid
    device: torch.device
    seen: Exact | Rounded = field(default_factory=Exact)
    """How the coder sees what the network gave."""
    bottom: Bottom = field(default_factory=Pixels)

    @property
    def levels(self) -> int:
        """How many levels are coded."""
        return self.grid.T + 1 - self.bottom.row

    def encode(self, stack: Stack, images: Tensor, watch: Watch = lambda: None) -> None:
        """Push images (B, C, H, W). Raises ExhaustedError if the stack holds too few bits to begin with."""
        grid, shape, symbols = self.grid, tuple(images.shape), images.flatten().numpy().astype(np.int64)
        for t in range(self.bottom.row + 1, grid.T + 1):
            stack.whiten(t, len(symbols))
            x_t = grid.centre(t, self._value(t - 1, symbols)) + stack.pop_noise(grid.noise[t], len(symbols))
            self._push(stack, t - 1, symbols, *self._reverse_step(x_t, t, shape))
            symbols = x_t
            watch()
        self._push(stack, grid.T, symbols, *grid.prior(len(symbols)))
        watch()

    def decode(self, stack: Stack, shape: tuple[int, ...], watch: Watch = lambda: None) -> Tensor:
        """Pop images of the shape (B, C, H, W) that `encode` pushed. The stack is left as it was before them."""
        grid = self.grid
        symbols = self._pop(stack, grid.T, *grid.prior(math.prod(shape)))
        watch()
        for t in range(grid.T, self.bottom.row, -1):
            previous = self._pop(stack, t - 1, *self._reverse_step(symbols, t, shape))
            stack.push_noise(symbols - grid.centre(t, self._value(t - 1, previous)), grid.noise[t])
            stack.whiten(t, len(symbols))
            symbols = previous
            watch()
        return torch.from_numpy(symbols).to(self.bottom.dtype).reshape(shape)

    def digest(self, shape: tuple[int, ...]) -> str:
        """The sha256 of what the coder sees at the first, a middle and the last step for a pattern of the shape
        (B, C, H, W), and of the bits that it makes of that.
        """
        grid, count = self.grid, math.prod(shape)
        pattern = np.arange(count) * 40_503 % 65_536 - 32_768
        found, stack = hashlib.sha256(np.array(grid.step + grid.scale).tobytes()), Stack(np.ones(4, dtype=np.uint32))
        for t in sorted({1, (grid.T + 1) // 2, grid.T}):
            mean, std = self._reverse_step(np.rint(pattern / 32_768 / grid.step[t]).astype(np.int64), t, shape)
            for part in (mean, std):
                found.update(part.astype("<f8").tobytes())
            stack.push_noise(pattern % 64 - 32, grid.noise[t])
            stack.push_gaussians(np.rint(mean).astype(np.int64) + pattern % 64 - 32, mean, std)
        stack.push_levels(pattern % 256, np.clip(mean, 0, 255), std)
        return hashlib.sha256(found.digest() + stack.words.astype("<u4").tobytes()).hexdigest()

    def _value(self, t: int, symbols: Ints) -> Floats:
        return self.bottom.value(symbols) if t == self.bottom.row else self.grid.value(t, symbols)

    def _push(self, stack: Stack, t: int, symbols: Ints, mean: Floats, std: Floats) -> None:
        (self.bottom.push if t == self.bottom.row else Stack.push_gaussians)(stack, symbols, mean, std)

    def _pop(self, stack: Stack, t: int, mean: Floats, std: Floats) -> Ints:
        return (self.bottom.pop if t == self.bottom.row else Stack.pop_gaussians)(stack, mean, std)

    def _reverse_step(self, steps: Ints, t: int, shape: tuple[int, ...]) -> tuple[Floats, Floats]:
        """Mean and standard deviation of p(x_{t−1} | x_t) of each element, in steps of its grid, or levels of x_0."""
        x_t = torch.from_numpy(self.grid.value(t, steps)).reshape(shape).to(self.seen.dtype).to(self.device)
        x_t = x_t.contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            prediction = predicted(self.denoiser, self.denoiser.output(x_t, t), x_t, t)
            p = p_transition(self.denoiser.schedule, prediction, x_t.double(), t)
        return self.seen(p, t, self.grid.step[t - 1])
