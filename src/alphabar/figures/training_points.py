"""What runs keep of their evaluations, beside what their training had cost until then."""

import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from alphabar import build
from alphabar.errors import AlphabarError
from alphabar.runs import evaluations
from alphabar.runs.model import load_model
from alphabar.runs.run import home

TIMES = 6
"""FLOPs of a training per multiply-add of the forward pass: 2 in each, and backward costs twice as much as forward."""
BITS = "bits/dim"


@dataclass(frozen=True)
class Point:
    """A measure of a run at one step: what the training had cost, and what was measured."""

    run: str
    step: int
    parameters: int
    multiply_adds: int
    images: int
    measure: str
    """bits/dim, or the FD with its extractor."""
    value: float
    standard_error: float
    how: str
    """What has to be the same in all points of a measure."""

    @property
    def flops(self) -> float:
        """FLOPs of the training until then."""
        return float(TIMES * self.multiply_adds * self.images)


def points_of(run: Path, name: str) -> list[Point]:
    """The newest bits/dim and FD of each step; AlphabarError if there are none. name: what the run is called."""
    model = load_model(run, "ema", torch.device("cpu"))
    parameters, multiply_adds = build.cost(model.config, model.facts)
    cost: dict[str, Any] = {"run": name, "parameters": parameters, "multiply_adds": multiply_adds}
    points = {}
    for row in evaluations.read(home(run)):  # oldest first: the newest of a step stays
        for step, measure, entry, how in (*_bits(row), *_distances(row)):
            images = step * model.config.training.batch_size
            value, error = float(entry["value"]), float(entry.get("standard_error") or 0)
            points[step, measure] = Point(
                step=step, images=images, measure=measure, value=value, standard_error=error, how=how, **cost
            )
    if not points:
        command = f"alphabar evaluate {shlex.quote(str(run))}"
        raise AlphabarError(
            f"{run} has no bits/dim and no FD of a step of its own; `{command} --bpd` measures the bits, and "
            f"`{command} --metrics fd` the FD."
        )
    return list(points.values())


Found = list[tuple[int, str, Mapping[str, Any], str]]
"""The step, the measure, its entry, and how it was measured."""


def _bits(row: Mapping[str, Any]) -> Found:
    bits, step = row.get("bits_per_dim"), row.get("step")
    entry = bits.get("total") if isinstance(bits, dict) else None
    if row.get("kind") != "bound" or not _is_step(step) or not _is_entry(entry):
        return []
    how = f"{row.get('n')} {row.get('split')} images, {row.get('steps')} of {row.get('T')} steps"
    return [(int(str(step)), BITS, dict(entry or {}), how)]


def _distances(row: Mapping[str, Any]) -> Found:
    metrics, about = row.get("metrics"), row.get("images")
    if not isinstance(metrics, dict) or not isinstance(about, dict) or not _is_step(about.get("step")):
        return []
    sampler = ", ".join(f"{key} {about[key]}" for key in ("sampler", "steps", "eta") if key in about)
    how = f"{row.get('n_fake')} images, {sampler}"
    return [
        (about["step"], key, entry, how) for key, entry in metrics.items() if key.startswith("FD-") and _is_entry(entry)
    ]


def _is_step(step: object) -> bool:
    return type(step) is int and step > 0


def _is_entry(entry: object) -> bool:
    """Whether the entry holds a value above 0, which has a logarithm; somebody may have edited the file."""
    if not isinstance(entry, dict):
        return False
    value, error = entry.get("value"), entry.get("standard_error") or 0.0
    numbers = type(value) in (int, float) and type(error) in (int, float)
    return numbers and 0 < float(str(value)) < math.inf and math.isfinite(error)
