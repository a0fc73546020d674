"""Bits/dim of test images under each side's network: the variational bound over all its steps, into its bits.json."""

import json
from dataclasses import replace
from typing import Any

import torch
from benchmarks.race.clock import say
from benchmarks.race.sides import SIDES
from benchmarks.race.task import Task, write_json

from alphabar import build
from alphabar.diffusion import FIXED_LARGE, Denoiser
from alphabar.evaluation.bits_per_dim import estimate
from alphabar.evaluation.features import random_order
from alphabar.evaluation.vlb import BoundJob, bound

BATCH = 32
DECODER = "exact"


def bits(task: Task, count: int) -> None:
    """Of the same `count` test images and noise for every side; what is there already is not reckoned again."""
    if (known := bits_of(task)) is not None and known["count"] == count:
        return
    denoiser = with_best_variance(SIDES[task.side].trained(task).denoiser)
    test = build.image_set(task.recipe("data.split=test"))
    rows = random_order(len(test))[:count]
    labels = test.labels[rows] if task.result()["conditional"] and test.labels is not None else None
    key = {"task": f"{task.data} seed {task.seed} {task.side}", "count": count, "variance": denoiser.variance.name}
    job = BoundJob(test.images[rows], tuple(rows.tolist()), labels, DECODER, BATCH, task.path / "bits", key)
    found = bound(denoiser, job, torch.device("cpu"))
    parts = {"total": found.total, "prior": found.prior, "rate": found.rate, "distortion": found.distortion}
    row = {"count": count, "variance": denoiser.variance.name, "T": denoiser.schedule.T}
    row |= {name: estimate(values) for name, values in parts.items()}
    write_json(task.path / "bits.json", row)
    say(f"{key['task']}  {row['total']['value']:.3f} bits/dim")


def with_best_variance(denoiser: Denoiser) -> Denoiser:
    """A learned reverse variance, or β: of the two fixed ones the better for bits (iddpm_in_miniature.md)."""
    return denoiser if denoiser.variance.learned else replace(denoiser, variance=FIXED_LARGE)


def bits_of(task: Task) -> dict[str, Any] | None:
    """The row, if there is one."""
    path = task.path / "bits.json"
    return json.loads(path.read_text()) if path.exists() else None
