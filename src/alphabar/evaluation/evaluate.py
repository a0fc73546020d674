"""The whole of an evaluation: what is asked in, one row out."""

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from alphabar import distributed
from alphabar.errors import AlphabarError
from alphabar.evaluation import extractors as choosing
from alphabar.evaluation import features as extraction
from alphabar.evaluation import references, statistics_file, subjects
from alphabar.evaluation import scores as measuring
from alphabar.evaluation.neighbours import save_neighbours
from alphabar.evaluation.references import Reference
from alphabar.evaluation.subjects import Subject
from alphabar.images import Size
from alphabar.metrics import Extractor, Features, moments
from alphabar.runs import run as runs
from alphabar.sampling import draw as drawing


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
    """How many images; None: 10,000 of a run, all of anything else."""
    split: str | None = None
    """Of a --reference data set, or of the run's own; None: train, or as it was trained."""
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

    What is wrong is found before the first image is drawn.
    """
    _check(request)
    plan = subjects.plan(request.subject, request.drawing, request.count or measuring.ENOUGH, device, request.data_root)
    if plan is not None:
        n, shape = len(plan.job.seeds), plan.job.shape
        subject = None
    else:
        subject = subjects.of_path(request.subject, request.image_size, request.resize, request.count)
        n, shape = len(subject.images), subject.images.shape
    reference = _reference(request, plan, shape)
    extractor = choosing.extractor(request.features, request.extractor_weights, reference.about.get("name"), device)
    extractor(torch.zeros((1, *shape), dtype=torch.uint8))  # it refuses now what it will refuse later
    names = measuring.chosen(request.metrics, extractor, reference, n)
    if reference.statistics is not None:
        statistics_file.check_fits(reference.statistics, extractor, str(reference.about["path"]))
    if plan is not None:
        _can_write(request.out or runs.home(request.subject))
        subject = subjects.of_drawing(plan, device)
    assert subject is not None
    row, fake, real = _measured(subject, reference, extractor, names)
    if distributed.is_main():
        _keep(request, plan, row)
        if request.statistics is not None:
            statistics_file.write_statistics(request.statistics, moments(fake), extractor)
        folder = request.out or (plan.folder if plan else None)
        if folder is not None and reference.images is not None and real.features is not None:
            save_neighbours(folder / "neighbours.png", subject.images, fake, reference.images, real.features, extractor)
    distributed.barrier()
    return row


def _check(request: Request) -> None:
    """What can be wrong without looking at an image."""
    if request.count is not None and "seeds" in request.drawing:
        raise AlphabarError("Both --count and --seeds were given; --count N means --seeds 0-(N-1).")
    measuring.check_names(request.metrics)
    if request.out is not None:
        _can_write(request.out)
    if request.statistics is not None:
        if request.statistics.suffix != ".npz":
            raise AlphabarError(f"--statistics writes an .npz; {request.statistics} does not end in .npz.")
        _can_write(request.statistics.parent)


def _can_write(folder: Path) -> None:
    if not distributed.is_main():
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise AlphabarError(f"Nothing can be written into {folder}: {error.strerror or error}.") from None


def _keep(request: Request, plan: drawing.Drawing | None, row: dict[str, Any]) -> None:
    folder = request.out or (runs.home(request.subject) if plan else None)
    if folder is not None:
        runs.add_evaluation(folder, row)


def _reference(request: Request, plan: drawing.Drawing | None, shape: tuple[int, int, int]) -> Reference:
    if request.reference is not None:
        found = references.of_name(
            request.reference, request.split or "train", shape, request.image_size, request.resize, request.data_root
        )
    elif plan is not None:
        if request.image_size is not None or request.resize != "none":
            raise AlphabarError(
                "A run is compared with its own data, at the size that it was trained on; "
                "--image-size and --resize are for a --reference of another size."
            )
        changes = {"root": request.data_root, "split": request.split}
        section = plan.model.config.data
        section = section.model_copy(update={name: value for name, value in changes.items() if value is not None})
        found = references.of_training(section, plan.model.facts.fingerprint, plan.settings["class"])
    else:
        raise AlphabarError(
            f"{request.subject} does not say what its images should be like; give --reference a data set, a folder, or "
            "an .npz."
        )
    references.check_shapes(found, shape)
    return found


def _measured(
    subject: Subject, reference: Reference, extractor: Extractor, names: Sequence[str]
) -> tuple[dict[str, Any], Features, measuring.Real]:
    started = time.perf_counter()
    real = measuring.real(reference, extractor)
    fake = extraction.features(subject.images, extractor, subject.about)
    row = {
        "metrics": measuring.measured(names, fake, real, extractor) if distributed.is_main() else {},
        "extractor": {
            "name": extractor.name,
            "weights_sha256": extractor.weights_sha256,
            "resize": extractor.resize,
            "dim": extractor.dim,
        },
        "n_fake": len(fake),
        "n_real": reference.n,
        "n_held_out": len(real.held_out) if real.held_out is not None else None,
        "reference": dict(reference.about),
        "images": dict(subject.about),
        "warnings": _warnings(subject, reference),
        "command": runs.command(),
        "versions": runs.versions(),
        "device": extractor.device.type,
        "seconds": round(time.perf_counter() - started, 1),
    }
    return row, fake, real


def _warnings(subject: Subject, reference: Reference) -> list[str]:
    found, about, n = [], reference.about, len(subject.images)
    for what, count in (("", n), ("reference ", reference.n)):
        if count is not None and count < measuring.ENOUGH:
            found.append(
                f"only {count:,} {what}images: below {measuring.ENOUGH:,}, distances are too large for that alone; "
                "compare at equal n only"
            )
    if reference.statistics is not None and reference.statistics.extractor is None:
        found.append(f"{about['path']} does not say which extractor made it; its size alone fits")
    if about.get("is_what_was_trained_on") is False and about["split"] == "train":
        found.append("the run was trained on other images than its data folder or file holds now")
    if subject.about.get("class") is not None and "class" not in about:
        found.append(f"images of class {subject.about['class']} alone are compared with all of the reference")
    if reference.images is not None and torch.equal(subject.images.images, reference.images.images):
        found.append("the evaluated images are the reference itself")
    return found
