"""What a sampler is, and the reverse process: one loop that drives every sampler."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from alphabar.diffusion.denoiser import Denoiser
from alphabar.diffusion.errors import DiffusionError

Noise = Callable[[Tensor], Tensor]
"""x -> a sample of N(0, I), shaped like x."""


class SeededNoise:
    """N(0, I) in which image i has its own generator: its noise depends on seeds[i] alone, whatever the batch is.

    The noise is sampled on the CPU in float32, so that every device starts from the same values.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, x: Tensor) -> Tensor:
        """The next noise for images x (B, ...), B = len(seeds)."""
        if len(x) != len(self._generators):
            raise DiffusionError(
                f"There are {len(self._generators)} seeds for {len(x)} images; there must be one for each."
            )
        shape = x.shape[1:]
        noise = [torch.randn(shape, generator=generator) for generator in self._generators]
        return torch.stack(noise).to(x)


@dataclass(frozen=True)
class Grid:
    """The timesteps that a sampler visits by default: a key of SPACINGS, and their number (None: all T)."""

    spacing: str
    steps: int | None


@dataclass(frozen=True, eq=False)
class Step:
    """The chain after a step: the level t that it has reached, x_t there, and the step's estimate x̂_0.

    source: the x that the step started from, kept by samplers that look back at it.
    """

    t: int
    x: Tensor
    x0: Tensor
    source: Tensor | None = None


class Sampler(Protocol):
    """One reverse step x_t -> x_{t−1}: a frozen dataclass whose fields are its options and whose `step` is pure."""

    grid: ClassVar[Grid]
    """The timesteps that it visits by default."""

    @property
    def memory(self) -> int:
        """The length of the history that `step` reads."""
        ...

    @property
    def calls(self) -> int:
        """Network calls per step; the last step, which returns x̂_0, makes one."""
        ...

    def step(self, denoiser: Denoiser, x: Tensor, t: int, history: tuple[Step, ...], noise: Noise) -> Step:
        """From x at level t to level t − 1; `history` holds the last `memory` steps, newest last."""
        ...


def check_eta(sampler: str, eta: float) -> None:
    """ValueError unless 0 ≤ η ≤ 1: from the probability flow (no noise) to the whole reverse SDE."""
    if not 0 <= eta <= 1:
        raise DiffusionError(f"The eta of {sampler} must lie in [0, 1]; got {eta:g}.")


def network_calls(sampler: Sampler, steps: int) -> int:
    """The number of function evaluations (NFE) of a chain of `steps` steps."""
    return sampler.calls * (steps - 1) + 1


def reverse_process(
    sampler: Sampler, denoiser: Denoiser, x: Tensor, *, start: int | None = None, noise: Noise
) -> Iterator[Step]:
    """The states of the chain from x = x_start (x_T by default) down to x_0, one by one (DDPM Alg. 2).

    The denoiser's schedule is the grid: respace it to take fewer steps. Previews, films and progressive decoding all
    iterate over this generator.
    """
    last = denoiser.schedule.T
    if start is not None and not 1 <= start <= last:
        raise DiffusionError(f"The reverse process must start within 1..{last}, the length of the chain; got {start}.")
    history: tuple[Step, ...] = ()
    for t in range(start or last, 0, -1):
        with torch.no_grad():
            step = sampler.step(denoiser, x, t, history, noise)
        yield step
        x = step.x
        history = (*history, step)[-sampler.memory :] if sampler.memory else ()
