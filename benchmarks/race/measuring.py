"""Draws with every way of a trained side, and scores what was drawn; a row each in its measured.jsonl."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from benchmarks.race import drawing
from benchmarks.race.clock import say
from benchmarks.race.shared import classes_for, ways
from benchmarks.race.sides import SIDES
from benchmarks.race.task import Task
from benchmarks.race.trained import Way

from alphabar import build, evaluation
from alphabar.data import ImageSet
from alphabar.errors import AlphabarError
from alphabar.sampling.job import Job

METRICS = ("fd", "kid", "pr", "coverage", "memorisation")


@dataclass(frozen=True)
class Wanted:
    """How many images, of the slow ways too or not, of which ways (all if None)."""

    count: int
    slow: bool
    slow_count: int
    samplers: Sequence[str] | None


def measure(task: Task, wanted: Wanted) -> None:
    """What is measured already is not measured again."""
    trained, image_set = SIDES[task.side].trained(task), build.image_set(task.recipe())
    own = {way.name for way in trained.own}
    label = f"{task.data} seed {task.seed} {task.side}"
    for way, count in todo(chosen(ways(trained, wanted.slow), wanted.samplers), own, wanted):
        if any((row["sampler"], row["count"]) == (way.name, count) for row in measured(task)):
            continue
        job = Job(tuple(range(count)), _classes(task, image_set, count), image_set.shape)
        path = drawing.drawn(task.path / "samples", way, job, label)
        cost = json.loads(drawing.cost_of(path).read_text())
        row = {"sampler": way.name, "own": way.name in own, "count": count, **cost}
        row |= {"evaluation": _scores(task, image_set, path)}
        with (task.path / "measured.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
        values = {name: round(found["value"], 4) for name, found in row["evaluation"]["metrics"].items()}
        say(f"{label} {way.name}  {values}")


def todo(there: list[Way], own: set[str], wanted: Wanted) -> list[tuple[Way, int]]:
    """Each way, and how many images; beside slow ways the own fast ones at their count too, for comparison."""
    fast = [(way, wanted.count) for way in there if not way.slow]
    if not wanted.slow:
        return fast
    return fast + [(way, wanted.slow_count) for way in there if way.slow or way.name in own]


def chosen(there: list[Way], names: Sequence[str] | None) -> list[Way]:
    """Those of the ways that a side has and that were asked for."""
    return [way for way in there if names is None or way.name in names]


def measured(task: Task) -> list[dict[str, Any]]:
    """The rows so far."""
    path = task.path / "measured.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _classes(task: Task, image_set: ImageSet, count: int) -> tuple[int, ...] | None:
    if not task.result()["conditional"]:
        return None
    assert image_set.labels is not None
    return classes_for(image_set.labels, count)


def _scores(task: Task, image_set: ImageSet, path: Any) -> dict[str, Any]:
    section = task.recipe().data
    request = evaluation.Request(
        subject=path,
        reference=section.name,
        metrics=METRICS,
        features="fashion-cnn" if section.name == "fashion_mnist" else "efficientnet-lite0",
        resize=section.resize,
        data_root=section.root,
    )
    row = evaluation.evaluate(request, torch.device("cpu"))
    if row["reference"]["fingerprint"] != image_set.fingerprint():
        raise AlphabarError(f"The images that {task.data} is measured against are not those that it was trained on.")
    return row
