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
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from alphabar import images
from alphabar.coding.precision import Exact, Rounded
from alphabar.coding.rounding import few_digits
from alphabar.coding.stack import Floats, Ints, Noise, Stack
from alphabar.diffusion import Denoiser, NoiseSchedule, p_transition
from alphabar.diffusion.likelihood import predicted

FINENESS = 32
"""Steps of the grid per standard deviation of the narrower Gaussian."""

Watch = Callable[[], object]
"""Called after each call of the network."""


@dataclass(frozen=True, eq=False)
class Grid:
    """The grid of each x_t and the Gaussians q(x_t | x_{t−1}) = N(√α_t x_{t−1}, β_t I) on it (DDPM Eq. 2).

    Its numbers have few digits, so that they are the same on every machine.
    """

    schedule: NoiseSchedule

    @property
    def T(self) -> int:
        """The length of the chain."""
        return self.schedule.T

    @cached_property
    def step(self) -> list[float]:
        """The distance of two points of the grid of x_t, t = 0..T: a FINENESSth of the least of √β_t (the width of q),
        √β̃_{t+1} (the least width of p) and 1. Entry 0 is unused: x_0 has its 256 levels.
        """
        q = self.schedule.beta.sqrt()
        p = torch.cat([self.schedule.beta_tilde[1:].sqrt(), torch.ones(1, dtype=torch.float64)])
        return [few_digits(step) for step in (torch.minimum(q, p).clamp(max=1) / FINENESS).tolist()]

    @cached_property
    def noise(self) -> list[Noise]:
        """q(x_t | x_{t−1}) around its mean, t = 1..T, in steps of the grid; entry 0 is unused."""
        widths = [few_digits(width) for width in self.schedule.beta.sqrt().tolist()]
        return [Noise(width / step if step else 1.0) for width, step in zip(widths, self.step, strict=True)]

    @cached_property
    def scale(self) -> list[float]:
        """√α_t."""
        return [few_digits(scale) for scale in self.schedule.alpha.sqrt().tolist()]

    def centre(self, t: int, previous: Floats) -> Ints:
        """The point of the grid nearest to the mean of q(x_t | x_{t−1})."""
        return np.rint(self.scale[t] / self.step[t] * previous).astype(np.int64)

    def value(self, t: int, steps: Ints) -> Floats:
        """x_t at these points of its grid."""
        return np.asarray(steps * self.step[t], dtype=np.float64)

    def prior(self, count: int) -> tuple[Floats, Floats]:
        """Mean and standard deviation of p(x_T) = N(0, I) for `count` elements, in steps of the grid."""
        return np.zeros(count), np.full(count, 1 / self.step[self.T])

    def bits_popped(self, dims: int, t: int = 1) -> float:
        """The bits that q(x_t | x_{t−1}) takes off the stack: the entropy of `dims` elements; 0 beyond the chain."""
        if t > self.T:
            return 0.0
        width = float(self.schedule.beta[t].sqrt()) / self.step[t]
        return dims * math.log2(max(width, 1.0) * math.sqrt(2 * math.pi * math.e))


@dataclass(frozen=True, eq=False)
class Chain:
    """A denoiser, on the device of its network, that codes batches of images on the grid of its schedule."""

    denoiser: Denoiser
    grid: Grid
    device: torch.device
    seen: Exact | Rounded = field(default_factory=Exact)
    """How the coder sees what the network gave."""

    def encode(self, stack: Stack, x0: Tensor, watch: Watch = lambda: None) -> None:
        """Push images, uint8 (B, C, H, W). Raises ExhaustedError if the stack holds too few bits to begin with."""
        grid, shape = self.grid, tuple(x0.shape)
        steps, below = _levels(x0), _signed(x0)
        for t in range(1, grid.T + 1):
            stack.whiten(t, len(steps))
            x_t = grid.centre(t, below) + stack.pop_noise(grid.noise[t], len(steps))
            mean, std = self._reverse_step(x_t, t, shape)
            if t == 1:
                stack.push_levels(steps, mean, std)
            else:
                stack.push_gaussians(steps, mean, std)
            steps, below = x_t, grid.value(t, x_t)
            watch()
        stack.push_gaussians(steps, *grid.prior(len(steps)))

    def decode(self, stack: Stack, shape: tuple[int, ...], watch: Watch = lambda: None) -> Tensor:
        """Pop images of the shape (B, C, H, W) that `encode` pushed; uint8. The stack is left as it was before them."""
        grid = self.grid
        steps = stack.pop_gaussians(*grid.prior(math.prod(shape)))
        for t in range(grid.T, 0, -1):
            mean, std = self._reverse_step(steps, t, shape)
            if t == 1:
                x0 = torch.from_numpy(stack.pop_levels(mean, std).astype(np.uint8)).reshape(shape)
                previous, below = _levels(x0), _signed(x0)
            else:
                previous = stack.pop_gaussians(mean, std)
                below = grid.value(t - 1, previous)
            stack.push_noise(steps - grid.centre(t, below), grid.noise[t])
            stack.whiten(t, len(steps))
            steps = previous
            watch()
        return x0

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

    def _reverse_step(self, steps: Ints, t: int, shape: tuple[int, ...]) -> tuple[Floats, Floats]:
        """Mean and standard deviation of p(x_{t−1} | x_t) of each element, in steps of its grid, or levels of x_0."""
        x_t = torch.from_numpy(self.grid.value(t, steps)).reshape(shape).to(self.seen.dtype).to(self.device)
        x_t = x_t.contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            prediction = predicted(self.denoiser, self.denoiser.output(x_t, t), x_t, t)
            p = p_transition(self.denoiser.schedule, prediction, x_t.double(), t)
        return self.seen(p, t, self.grid.step[t - 1])


def _levels(x0: Tensor) -> Ints:
    return x0.flatten().numpy().astype(np.int64)


def _signed(x0: Tensor) -> Floats:
    return images.to_signed(x0).double().flatten().numpy()
