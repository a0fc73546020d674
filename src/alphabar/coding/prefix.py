"""The first levels of the chain, x_T, ..., x_k, on a stack of bits: what a lossy file keeps of images (DDPM §4.3).

x_k is told by y (`Dither`), which is pushed with p(x_k | x_j) at the points of x_k; x_j, ..., x_T are bits back, as in
`Chain`. The level j after k is not the next one: x_j is x_k with noise, and p(x_j | x_{j+1}) does not know the points,
so noise that is small against their distance would tell again what u told already.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from alphabar.coding.chain import Chain, Watch
from alphabar.coding.dither import Dither, shared
from alphabar.coding.points import pop_points, push_points
from alphabar.coding.stack import Floats, Ints, Stack
from alphabar.diffusion import NoiseSchedule

APART = 3.0
"""The least variance of the noise between x_k and x_j, in units of that between x_0 and x_k."""


def levels(schedule: NoiseSchedule, k: int) -> list[int]:
    """The rows k, j, j + 1, ..., T of the chain that are coded; k alone if no noisier level is APART from it."""
    alpha_bar = schedule.alpha_bar
    noise = alpha_bar[k] - alpha_bar[k + 1 :]  # of x_t = √(ᾱ_t/ᾱ_k) x_k + ..., t > k, as its variance times ᾱ_k
    far = (noise >= APART * (1 - alpha_bar[k]) * alpha_bar[k + 1 :]).nonzero()
    return [k, *(range(k + 1 + int(far[0]), schedule.T + 1) if len(far) else ())]


def level_of(schedule: NoiseSchedule, noise: float) -> int:
    """The noisiest level at which no more than this much noise is left, in grey levels; 0 if there is none."""
    return int((left(schedule)[1:] <= noise).sum())


def left(schedule: NoiseSchedule) -> Tensor:
    """The standard deviation of x_t / √ᾱ_t − x_0, t = 0..T, in grey levels (0–255)."""
    alpha_bar = schedule.alpha_bar
    return 127.5 * ((1 - alpha_bar) / alpha_bar).sqrt()


@dataclass(frozen=True, eq=False)
class Prefix:
    """What codes batches of y. chain: on the rows `levels`. numbers: of the images, for their u."""

    chain: Chain
    dither: Dither
    numbers: range

    def encode(self, stack: Stack, y: Tensor, watch: Watch = lambda: None) -> None:
        """Push y of images, int32 (B, C, H, W). Raises ExhaustedError if the stack holds too few bits to begin with."""
        grid, shape, dither = self.chain.grid, tuple(y.shape), self.dither
        steps, u = y.flatten().numpy().astype(np.int64), self._u(shape)
        below, lowest = dither.points(steps, u), dither.lowest(u)
        index = steps - lowest
        for t in range(2, grid.T + 1):
            stack.whiten(t, len(steps))
            x_t = grid.centre(t, below) + stack.pop_noise(grid.noise[t], len(steps))
            mean, std = self.chain._reverse_step(x_t, t, shape)
            if t == 2:
                push_points(stack, index, dither.count, *self._scaled(u, mean * grid.step[1], std * grid.step[1]))
            else:
                stack.push_gaussians(steps, mean, std)
            steps, below = x_t, grid.value(t, x_t)
            watch()
        if grid.T == 1:
            push_points(stack, index, dither.count, *self._scaled(u, np.zeros(len(u)), np.ones(len(u))))
            watch()
        else:
            stack.push_gaussians(steps, *grid.prior(len(steps)))

    def decode(self, stack: Stack, shape: tuple[int, ...], watch: Watch = lambda: None) -> Tensor:
        """Pop y, int32 (B, C, H, W), that `encode` pushed. The stack is left as it was before."""
        grid, u, dither = self.chain.grid, self._u(shape), self.dither
        if grid.T == 1:
            index = pop_points(stack, dither.count, *self._scaled(u, np.zeros(len(u)), np.ones(len(u))))
            watch()
            return _tensor(index + dither.lowest(u), shape)
        steps = stack.pop_gaussians(*grid.prior(math.prod(shape)))
        for t in range(grid.T, 1, -1):
            mean, std = self.chain._reverse_step(steps, t, shape)
            if t == 2:
                index = pop_points(stack, dither.count, *self._scaled(u, mean * grid.step[1], std * grid.step[1]))
                previous = index + dither.lowest(u)
                below = dither.points(previous, u)
            else:
                previous = stack.pop_gaussians(mean, std)
                below = grid.value(t - 1, previous)
            stack.push_noise(steps - grid.centre(t, below), grid.noise[t])
            stack.whiten(t, len(steps))
            steps = previous
            watch()
        return _tensor(steps, shape)

    def _u(self, shape: tuple[int, ...]) -> Floats:
        return shared(self.numbers, math.prod(shape[1:]))

    def _scaled(self, u: Floats, mean: Floats, std: Floats) -> tuple[Floats, Floats]:
        """The Gaussian of x_k as that of y − lowest: x_k = D (y − u)."""
        return mean / self.dither.step + u - self.dither.lowest(u), std / self.dither.step


def _tensor(y: Ints, shape: tuple[int, ...]) -> Tensor:
    return torch.from_numpy(y.astype(np.int32)).reshape(shape)
