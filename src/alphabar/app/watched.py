"""Work with a model in a thread, which the page watches by the calls of the network, and can stop."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from torch import Tensor, nn

from alphabar.api.model import Model

T = TypeVar("T")
PULSE = 0.3
"""Seconds between two looks."""


class StoppedError(Exception):
    """Nobody waits for this work any more."""


class _Watched(nn.Module):
    """A network that counts its calls, and refuses them once it was stopped."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.calls, self.is_stopped = network, 0, False

    def forward(self, *inputs: Tensor, **given: Tensor) -> Tensor:
        """The output of the network."""
        if self.is_stopped:
            raise StoppedError
        self.calls += 1
        out: Tensor = self.network(*inputs, **given)
        return out


@dataclass(frozen=True)
class Pulse(Generic[T]):
    """How far the work is: calls of the network, seconds, and its result in the last pulse alone."""

    calls: int
    seconds: float
    result: T | None = None


def watched(model: Model, work: Callable[[Model], T]) -> Iterator[Pulse[T]]:
    """`work(model)` in a thread, a pulse now and then; when the iterator is closed, its next network call ends it."""
    loaded = model.loaded
    network: Any = _Watched(loaded.denoiser.network)  # type: ignore[arg-type]  # an nn.Module
    counted = Model(replace(loaded, denoiser=replace(loaded.denoiser, network=network)))
    began, pool = time.monotonic(), ThreadPoolExecutor(1)
    try:
        future = pool.submit(work, counted)
        while not future.done():
            wait([future], PULSE)
            yield Pulse(network.calls, time.monotonic() - began)
        yield Pulse(network.calls, time.monotonic() - began, future.result())
    finally:
        network.is_stopped = True
        pool.shutdown(wait=False)
