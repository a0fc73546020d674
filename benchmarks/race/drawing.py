"""Images of one network drawn in one way, into an .npz; batch by batch, so that an interrupted drawing goes on."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.race.clock import SAY_EVERY, say
from benchmarks.race.peer_training import every
from benchmarks.race.task import write_json
from benchmarks.race.trained import Way
from torch import Tensor

from alphabar import images
from alphabar.sampling.job import Job

BATCH = 50


def drawn(folder: Path, way: Way, job: Job, label: str) -> Path:
    """The .npz of uint8 (N, H, W, C) `arr_0`, and the classes that were told as `arr_1`; its cost lies beside it."""
    path = folder / way.name / f"{len(job.seeds)}.npz"
    if path.exists():
        return path
    parts = path.with_suffix(".parts")
    parts.mkdir(parents=True, exist_ok=True)
    done = 0
    tick = every(SAY_EVERY, lambda: say(f"{label} {way.name}  {done:,} of {len(job.seeds):,} images"))
    names = []
    for number, batch in enumerate(job.batches(BATCH)):
        names.append(parts / f"{number:05d}.npz")
        if not names[-1].exists():
            _draw(way.draw, batch, names[-1])
        done += len(batch.seeds)
        tick()
    labels = None if job.labels is None else torch.tensor(job.labels)
    costs = [json.loads(name.with_suffix(".json").read_text()) for name in names]
    write_json(cost_of(path), {"cpu_s_per_image": sum(costs) / len(job.seeds), "calls": way.calls})
    images.save_npz(path, torch.cat([load(name) for name in names]), labels)
    shutil.rmtree(parts)
    return path


def cost_of(path: Path) -> Path:
    """Where the cost of the images at `path` is kept."""
    return path.with_suffix(".json")


def load(path: Path) -> Tensor:
    """uint8 (N, C, H, W) of an .npz as `drawn` writes it."""
    with np.load(path) as file:
        return torch.from_numpy(file["arr_0"]).permute(0, 3, 1, 2)


def _draw(draw: Callable[[Job], Tensor], batch: Job, path: Path) -> None:
    started = time.process_time()
    x: Any = draw(batch)
    write_json(path.with_suffix(".json"), time.process_time() - started)
    images.save_npz(path, images.to_uint8(x))
