"""Chains, denoisers and noises that several tests share."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from alphabar.diffusion import PARAMETERIZATIONS, SCHEDULES, Denoiser, NoiseSchedule, ReverseVariance

STEPS = 50  # linear needs more than 20


def pairs() -> list[tuple[str, str]]:
    """Every schedule × parameterization that exists: ε̂ says nothing about x_0 where ᾱ_T = 0."""
    return [
        (schedule, parameterization)
        for schedule in SCHEDULES
        for parameterization in PARAMETERIZATIONS
        if not (parameterization == "eps" and SCHEDULES[schedule](STEPS).ends_in_pure_noise)
    ]


def every_step(schedule: NoiseSchedule) -> Tensor:
    """t = 1..T as a batch of its own."""
    return torch.arange(1, schedule.T + 1)


def images(count: int, seed: int = 0, shape: tuple[int, ...] = (2, 3, 3)) -> Tensor:
    """float64 images in [−1, 1]."""
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1


def normal(count: int, seed: int = 1, shape: tuple[int, ...] = (2, 3, 3)) -> Tensor:
    """float64 noise."""
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def replayed(seed: int = 0) -> Callable[[Tensor], Tensor]:
    """A noise that draws the same sequence each time it is made, in float64."""
    generator = torch.Generator().manual_seed(seed)
    return lambda x: torch.randn(x.shape, generator=generator, dtype=torch.float64).to(x.dtype)


def no_noise(x: Tensor) -> Tensor:
    raise AssertionError("this step must not draw noise")


def end_of(steps: Iterable[Any]) -> Any:
    """The last step of a chain, with no other kept: `*_, last = steps` holds all of them, gigabytes in a long one."""
    return deque(steps, maxlen=1).pop()


def wavy(x: Tensor, time: Tensor) -> Tensor:
    """A smooth network that is neither linear in x nor constant in time, and mixes neither images nor pixels."""
    time = time.to(x.dtype).reshape(-1, *[1] * (x.ndim - 1))
    return 0.7 * torch.sin(2 * x) + 0.2 * torch.cos(0.1 * time) * x + 0.1


def wide(network: Callable[..., Tensor], variance: ReverseVariance) -> Callable[..., Tensor]:
    """`network` with a second half of channels, within (−1, 1), if the variance is learned."""
    if not variance.learned:
        return network

    def both(x: Tensor, time: Tensor) -> Tensor:
        out = network(x, time)
        return torch.cat([out, torch.sin(3 * x).to(out.dtype)], dim=1)

    return both


def denoiser(
    schedule: NoiseSchedule, parameterization: str, variance: ReverseVariance, network=wavy, **more
) -> Denoiser:
    return Denoiser(wide(network, variance), schedule, PARAMETERIZATIONS[parameterization], variance, **more)
