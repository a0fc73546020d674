"""The reverse process: one loop that drives every sampler."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from alphabar.diffusion.denoiser import Denoiser

Noise = Callable[[Tensor], Tensor]
"""x -> a draw of N(0, I) like x."""


@dataclass(frozen=True, eq=False)
class Step:
    """The chain after a step: the level t it has reached, x_t there, and the x̂_0 that the step believed in.

    source: where the step set out from, by samplers that look back at it.
    """

    t: int
    x: Tensor
    x0: Tensor
    source: Tensor | None = None


class Sampler(Protocol):
    """One reverse step x_t -> x_{t−1}, a pure function.

    memory: how many earlier steps it wants to see.
    calls: how often a step calls the network; the last one, which returns x̂_0, calls it once.
    """

    @property
    def memory(self) -> int:
        """The length of the history that `step` reads."""
        ...

    @property
    def calls(self) -> int:
        """Network calls per step."""
        ...

    def step(self, denoiser: Denoiser, x: Tensor, t: int, history: tuple[Step, ...], noise: Noise) -> Step:
        """From x at level t to level t − 1; `history` holds the last `memory` steps, newest last."""
        ...


def network_calls(sampler: Sampler, steps: int) -> int:
    """The number of function evaluations (NFE) of a chain of so many steps."""
    return sampler.calls * (steps - 1) + 1


def reverse_process(
    sampler: Sampler, denoiser: Denoiser, x: Tensor, *, start: int | None = None, noise: Noise
) -> Iterator[Step]:
    """The states of the chain from x = x_start (x_T by default) down to x_0, one by one (DDPM Alg. 2).

    The denoiser's schedule is the grid: respace it to take fewer steps. Previews, films and progressive decoding are
    iterations over this.
    """
    last = denoiser.schedule.T
    if start is not None and not 1 <= start <= last:
        raise ValueError(f"The reverse process must start within 1..{last}, the length of the chain; got {start}.")
    history: tuple[Step, ...] = ()
    for t in range(start or last, 0, -1):
        with torch.no_grad():
            step = sampler.step(denoiser, x, t, history, noise)
        yield step
        x = step.x
        history = (*history, step)[-sampler.memory :] if sampler.memory else ()
