"""What was measured, over the seeds: the numbers behind the tables."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from benchmarks.race.likelihood import bits_of
from benchmarks.race.measuring import measured
from benchmarks.race.sides import SIDES
from benchmarks.race.task import Task, tasks_in


@dataclass(frozen=True)
class Row:
    """A side drawn in one way, by seed."""

    side: str
    sampler: str
    count: int
    own: bool
    conditional: bool
    seeds: dict[int, dict[str, Any]]

    def metric(self, name: str) -> dict[int, dict[str, Any]]:
        """By seed, of the metric whose name begins so ("FD": "FD-fashion-cnn", whichever extractor looked)."""
        found = {seed: row["evaluation"]["metrics"] for seed, row in self.seeds.items()}
        return {seed: next(v for k, v in metrics.items() if k.split("-")[0] == name) for seed, metrics in found.items()}

    def mean(self, name: str) -> float:
        """Over the seeds."""
        return fmean(found["value"] for found in self.metric(name).values())


def rows(folder: Path) -> dict[str, list[Row]]:
    """By data set, in the order of SIDES."""
    found: dict[str, dict[tuple[str, str, int], Row]] = {}
    for task in sorted(tasks_in(folder), key=_rank):
        conditional = task.result()["conditional"]
        for one in measured(task):
            key = (task.side, one["sampler"], one["count"])
            row = found.setdefault(task.data, {}).setdefault(key, Row(*key, one["own"], conditional, {}))
            row.seeds[task.seed] = one
    return {name: list(of_data.values()) for name, of_data in found.items()}


def best(found: Iterable[Row]) -> dict[str, Row]:
    """By side, in the order of `found`: its own sampler of the least FD, each at its most images."""
    kept: dict[str, dict[str, Row]] = {}
    for row in found:
        if row.own:
            of_side = kept.setdefault(row.side, {})
            of_side[row.sampler] = max(of_side.get(row.sampler, row), row, key=lambda one: one.count)
    return {side: min(of_side.values(), key=lambda row: row.mean("FD")) for side, of_side in kept.items()}


def results(folder: Path) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """What the trainings left on record: by data set and side, one per seed."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for task in sorted(tasks_in(folder), key=_rank):
        found.setdefault(task.data, {}).setdefault(task.side, []).append(task.result())
    return found


def bits(folder: Path) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Bits/dim, where they are reckoned: by data set and side, one per seed."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for task in sorted(tasks_in(folder), key=_rank):
        if (row := bits_of(task)) is not None:
            found.setdefault(task.data, {}).setdefault(task.side, []).append(row)
    return found


def _rank(task: Task) -> tuple[str, int, int]:
    return task.data, list(SIDES).index(task.side), task.seed


@dataclass(frozen=True)
class Ratio:
    """FD of ours ÷ FD of theirs, by seed where both have it, and the standard error of the mean."""

    ours: Row
    theirs: Row
    values: tuple[float, ...]
    error: float | None

    @property
    def value(self) -> float:
        """The mean over the seeds."""
        return fmean(self.values)


def ratio(ours: Row, theirs: Row) -> Ratio | None:
    """None where no seed has both. Of one seed, the error is that of the drawing alone, where FD has one."""
    a, b = ours.metric("FD"), theirs.metric("FD")
    seeds = sorted(a.keys() & b.keys())
    if not seeds:
        return None
    values = tuple(a[seed]["value"] / b[seed]["value"] for seed in seeds)
    if len(values) > 1:
        return Ratio(ours, theirs, values, standard_error(values))
    parts = [
        (x["standard_error"] / x["value"]) ** 2 for x in (a[seeds[0]], b[seeds[0]]) if x["interval"] and x["value"]
    ]
    return Ratio(ours, theirs, values, values[0] * sqrt(sum(parts)) if len(parts) == 2 else None)


def ratios(found: Iterable[Row], samplers: str) -> list[Ratio]:
    """Like against like: both told the classes or neither, at equal counts.

    samplers: "own", each side by its own ways; or "shared", by the same one.
    """
    there = list(found)
    pairs = [
        ratio(ours, theirs)
        for ours in there
        for theirs in there
        if ours.side.startswith("alphabar") > theirs.side.startswith("alphabar")
        and (ours.conditional, ours.count) == (theirs.conditional, theirs.count)
        and ((ours.own and theirs.own) if samplers == "own" else ours.sampler == theirs.sampler)
    ]
    return [pair for pair in pairs if pair is not None]


def standard_error(values: Sequence[float]) -> float:
    """Of the mean."""
    return stdev(values) / sqrt(len(values))
