"""The whole of an evaluation: what is asked in, one row out."""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from alphabar import distributed, drawing
from alphabar import run as runs
from alphabar.errors import AlphabarError
from alphabar.evaluation import choosing, extraction, measuring, references, statistics_file, subjects
from alphabar.evaluation.neighbours import save_neighbours
from alphabar.evaluation.references import Reference
from alphabar.evaluation.subjects import Subject
from alphabar.images import Size
from alphabar.metrics import Extractor, moments

ENOUGH = 10_000
"""Images; with fewer, distances are large for that alone."""


@dataclass(frozen=True)
class Request:
    """What to measure against what; the options of `alphabar evaluate`."""

    subject: Path
    """A run or a checkpoint, whose images are drawn; a folder of images; an .npz."""
    reference: str | None = None
    """A key of DATASETS, or a path; None: what the run was trained on."""
    metrics: Sequence[str] | None = None
    """Of `measuring.CHOICES`; None: all that can be measured."""
    features: str = choosing.AUTO
    extractor_weights: Path | None = None
    count: int | None = None
    """How many images; None: ENOUGH of a run, all of anything else."""
    split: str = "train"
    image_size: Size | None = None
    resize: str = "none"
    data_root: Path | None = None
    drawing: Mapping[str, Any] = field(default_factory=dict)
    """How a run draws, where not as its recipe says: seeds, label, weights, step, and the settings of [sampling]."""
    out: Path | None = None
    """Where the row is kept and neighbours.png goes; None: the run's folder, or nowhere."""
    statistics: Path | None = None
    """Where mu and sigma of the evaluated images go."""


def evaluate(request: Request, device: torch.device) -> dict[str, Any]:
    """One row, ready for JSON; of the processes of a `distributed.session`, which share the work, the main one has it.

    All that can be wrong is found before the first image is drawn.
    """
    if request.count is not None and "seeds" in request.drawing:
        raise AlphabarError("Both --count and --seeds were given; --count N means --seeds 0-(N-1).")
    measuring.check_names(request.metrics)
    plan = subjects.plan(request.subject, request.drawing, request.count or ENOUGH, device)
    subject = None if plan else subjects.of_path(request.subject, request.image_size, request.resize, request.count)
    shape = plan.job.shape if plan else subject.images.shape if subject else (0, 0, 0)
    reference = _reference(request, plan, shape)
    extractor = choosing.extractor(request.features, request.extractor_weights, reference.about.get("name"), device)
    extractor(torch.zeros((1, *shape), dtype=torch.uint8))  # it refuses now what it will refuse later
    names = measuring.chosen(request.metrics, extractor, reference)
    if reference.statistics is not None:
        statistics_file.check_fits(reference.statistics, extractor, str(reference.about["path"]))
    if subject is None:
        assert plan is not None
        subject = subjects.of_drawing(plan, device)
    out = request.out or (drawing.run_of(request.subject) if plan else None)
    row = _measure(subject, reference, extractor, names, out, request.statistics)
    if out is not None and distributed.is_main():
        with (out / runs.EVALUATIONS).open("a") as file:
            file.write(json.dumps(row) + "\n")
    return row


def _reference(request: Request, plan: drawing.Drawing | None, shape: tuple[int, int, int]) -> Reference:
    if request.reference is not None:
        found = references.of_name(
            request.reference, request.split, shape, request.image_size, request.resize, request.data_root
        )
    elif plan is not None:
        section = plan.model.config.data
        found = references.of_data(section.model_copy(update={"root": request.data_root or section.root}))
    else:
        raise AlphabarError(
            f"{request.subject} does not say what its images should be like; give --reference a data set, a folder, or "
            "an .npz."
        )
    if found.images is not None:
        references.check_shapes(found.images, shape)
    return found


def _measure(
    subject: Subject,
    reference: Reference,
    extractor: Extractor,
    names: Sequence[str],
    out: Path | None,
    statistics: Path | None,
) -> dict[str, Any]:
    started = time.perf_counter()
    if out is not None and distributed.is_main():
        out.mkdir(parents=True, exist_ok=True)
    real = measuring.real(reference, extractor)
    fake = extraction.features(subject.images, extractor, subject.about)
    rows = {}
    if distributed.is_main():
        rows = measuring.measured(names, fake, real, extractor)
        if statistics is not None:
            statistics_file.write_statistics(statistics, moments(fake), extractor)
        if out is not None and reference.images is not None and real.features is not None:
            save_neighbours(out / "neighbours.png", subject.images, fake, reference.images, real.features, extractor)
    distributed.barrier()
    return {
        "metrics": rows,
        "extractor": {
            "name": extractor.name,
            "weights_sha256": extractor.weights_sha256,
            "resize": extractor.resize,
            "dim": extractor.dim,
        },
        "n_fake": len(fake),
        "n_real": len(real.features) if real.features else real.moments.n or None if real.moments else None,
        "n_held_out": len(real.held_out) if real.held_out else None,
        "reference": dict(reference.about),
        "images": dict(subject.about),
        "warnings": _warnings(len(fake), reference),
        "command": sys.argv,
        "versions": runs.versions(),
        "device": extractor.device.type,
        "seconds": round(time.perf_counter() - started, 1),
    }


def _warnings(n: int, reference: Reference) -> list[str]:
    found = []
    if n < ENOUGH:
        found.append(
            f"only {n:,} images: below {ENOUGH:,}, distances are too large for that alone; compare at equal n only"
        )
    if reference.statistics is not None and reference.statistics.extractor is None:
        found.append(f"{reference.about['path']} does not say which extractor made it; its size alone fits")
    return found
