"""The training loop and the sampling loop of the other packages."""

import json
import time
from collections.abc import Callable
from typing import Protocol

import torch
from benchmarks.race.task import Task
from torch import Tensor, nn

from alphabar.data import ImageSet, ShuffledStream
from alphabar.images import save_npz, to_uint8

BATCH = 50
"""Images that are sampled at a time."""
Sampler = Callable[[int], Tensor]
"""Number of images -> images (N, C, H, W) in [-1, 1]."""


class Peer(Protocol):
    """Network, optimizer and average of another package, moved as its own training script moves them."""

    batch_size: int
    flips: bool
    """Whether the package mirrors images by default."""
    network: nn.Module

    def update(self, images: Tensor, used: float) -> None:
        """One update by uint8 (B, C, H, W), when the fraction `used` of the budget is spent."""
        ...

    def samplers(self) -> dict[str, Sampler]:
        """The samplers of the package with the averaged network, as NAME-CALLS."""
        ...


def budget(task: Task) -> float:
    """CPU seconds of the training: those of the task, or what alphabar used from this seed where that was more."""
    done = task.path.parent / "alphabar-unconditional" / "done.json"
    used = json.loads(done.read_text())["cpu_minutes"] if done.exists() else 0.0
    return 60 * max(task.minutes, used)


def run(task: Task, make: Callable[[Task, ImageSet], Peer]) -> None:
    """Train until the CPU time of this process reaches the budget, then sample."""
    torch.set_num_threads(1)
    torch.manual_seed(task.seed)
    images = task.images()
    peer = make(task, images)
    stream = ShuffledStream(images, task.seed, task.settings["data"]["horizontal_flip"] and peer.flips)
    seen, seconds = 0, budget(task)
    while (used := time.process_time() / seconds) < 1:
        peer.update(stream.batch(seen, peer.batch_size).images, used)
        seen += peer.batch_size
    minutes = time.process_time() / 60
    parameters = sum(p.numel() for p in peer.network.parameters())
    samplers = {name: s for name, s in peer.samplers().items() if task.samplers is None or name in task.samplers}
    costs = {name: sample(task, name, sampler) for name, sampler in samplers.items()}
    task.finish(parameters=parameters, batch=peer.batch_size, images=seen, cpu_minutes=minutes, samplers=costs)


@torch.no_grad()
def sample(task: Task, name: str, sampler: Sampler) -> float:
    """Write NAME.npz; CPU milliseconds per image."""
    started, parts = time.process_time(), []
    for first in range(0, task.count, BATCH):
        torch.manual_seed(first)
        parts.append(to_uint8(sampler(min(BATCH, task.count - first))))
    spent = time.process_time() - started
    save_npz(task.path / f"{name}.npz", torch.cat(parts))
    return 1000 * spent / task.count
