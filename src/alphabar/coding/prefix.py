"""The first levels of the chain, x_T, ..., x_k, on a stack of bits: what a lossy file keeps of images (DDPM §4.3).

x_k is told by y (`Dither`), which is pushed with p(x_k | x_j) at the points of x_k; x_j, ..., x_T are bits back, as in
`Chain`. The level j after k is not the next one: x_j is x_k with noise, and p(x_j | x_{j+1}) does not know the points,
so noise that is small against their distance would tell again what u told already.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from alphabar.coding.dither import Dither, shared
from alphabar.coding.grid import Grid
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
class Quantised:
    """The bottom of the chain on the rows `levels`: x_k, told by y, int32. numbers: of the images, for their u."""

    dither: Dither
    grid: Grid
    numbers: range
    row = 1
    dtype = torch.int32

    def value(self, symbols: Ints) -> Floats:
        """x_k."""
        return self.dither.points(symbols, self._u(len(symbols)))

    def push(self, stack: Stack, symbols: Ints, mean: Floats, std: Floats) -> None:
        """y under Gaussians of x_k in steps of the grid."""
        u = self._u(len(symbols))
        index = symbols - self.dither.lowest(u)
        push_points(stack, index, self.dither.count, *self._scaled(u, mean, std))

    def pop(self, stack: Stack, mean: Floats, std: Floats) -> Ints:
        """What `push` pushed."""
        u = self._u(len(mean))
        return pop_points(stack, self.dither.count, *self._scaled(u, mean, std)) + self.dither.lowest(u)

    def _u(self, count: int) -> Floats:
        return shared(self.numbers, count // len(self.numbers))

    def _scaled(self, u: Floats, mean: Floats, std: Floats) -> tuple[Floats, Floats]:
        """The Gaussian of x_k as that of y − lowest: x_k = D (y − u)."""
        unit = self.grid.step[self.row] / self.dither.step
        return mean * unit + u - self.dither.lowest(u), std * unit
