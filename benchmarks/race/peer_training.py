"""The training of another package's network until its CPU time is spent; it goes on from its last checkpoint."""

import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

import torch
from benchmarks.race.clock import SAY_EVERY, Clock, say
from benchmarks.race.peer import Peer, parameters
from benchmarks.race.task import Task, Terms
from safetensors.torch import save_file

from alphabar import build, data
from alphabar import config as c
from alphabar.files import atomic_file
from alphabar.runs import run as runs
from alphabar.training.interrupt import Interrupt

SAVE_EVERY = 120.0  # seconds


class Watch(Protocol):
    """What tells the CPU seconds used so far."""

    @property
    def cpu(self) -> float: ...


def train(task: Task, terms: Terms, make: Callable[[c.Config, c.ImageFacts], Peer], conditional: bool) -> bool:
    """Whether the budget is spent (False: interrupted and saved)."""
    config = task.recipe()
    image_set = build.image_set(config)
    torch.manual_seed(task.seed)
    peer = make(config, build.image_facts(image_set))
    batch_size = terms.peer_batch or peer.batch_size
    stream = data.ShuffledStream(image_set, task.seed, config.data.horizontal_flip and peer.flips)
    kept = task.path / "checkpoint.pt"
    clock = Clock(**restore(kept, peer)) if kept.exists() else Clock()

    def tick() -> None:
        used = f"{clock.cpu / 60:.1f} of {terms.minutes:g} CPU minutes"
        say(f"{task.data} seed {task.seed} {task.side}  {used}, {peer.images:,} images")

    with Interrupt(say) as interrupt:
        chores = (every(SAY_EVERY, tick), every(SAVE_EVERY, lambda: save(kept, peer, clock)))
        go_on(peer, stream, batch_size, clock, 60 * terms.minutes, lambda: interrupt.requested, chores)
        save(kept, peer, clock)
    if clock.cpu < 60 * terms.minutes:
        return False
    spent, average = clock.read(), peer.average()
    save_file({name: tensor.contiguous() for name, tensor in average.state_dict().items()}, task.weights)
    result: dict[str, Any] = {"conditional": conditional, "parameters": parameters(average), "batch_size": batch_size}
    result |= {"updates": peer.updates, "images": peer.images, "minutes": terms.minutes, **spent}
    versions = runs.versions() | {peer.package: metadata.version(peer.package)}
    task.finish(result | {"options": peer.options, "versions": versions})
    kept.unlink()
    return True


def go_on(
    peer: Peer,
    stream: data.ShuffledStream,
    batch_size: int,
    clock: Watch,
    seconds: float,
    leave: Callable[[], bool] = lambda: False,
    chores: tuple[Callable[[], None], ...] = (),
) -> None:
    """Update until `seconds` of CPU time are used, or it is time to leave."""
    while (used := clock.cpu / seconds) < 1 and not leave():
        torch.manual_seed(hash((stream.seed, peer.updates)) % 2**63)  # so a resumed training goes the same way
        batch = stream.batch(peer.images, batch_size)
        peer.update(batch.images, batch.labels, used)
        peer.images += len(batch.images)
        peer.updates += 1
        for chore in chores:
            chore()


def every(seconds: float, do: Callable[[], None]) -> Callable[[], None]:
    """`do`, but no sooner than `seconds` after the last time."""
    last = time.perf_counter()

    def chore() -> None:
        nonlocal last
        if time.perf_counter() - last >= seconds:
            last = time.perf_counter()
            do()

    return chore


def save(path: Path, peer: Peer, clock: Clock) -> None:
    """Write the checkpoint, whole or not at all."""
    with atomic_file(path) as file:
        torch.save({"peer": peer.state_dict(), "cpu": clock.cpu, "wall": clock.wall}, file)


def restore(path: Path, peer: Peer) -> dict[str, float]:
    """Put the checkpoint into the peer; the seconds that it had used."""
    found = torch.load(path, weights_only=True)
    peer.load_state_dict(found["peer"])
    return {"cpu": found["cpu"], "wall": found["wall"]}
