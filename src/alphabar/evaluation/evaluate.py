"""An evaluation from beginning to end: a request in, one row out."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from alphabar import build, distributed
from alphabar import names as names_of_data
from alphabar.data import DataOptions
from alphabar.errors import AlphabarError, check_number
from alphabar.evaluation import extractors, features, references, scores, statistics_file, subjects
from alphabar.evaluation.neighbours import save_neighbours
from alphabar.evaluation.reading import HowRead
from alphabar.evaluation.references import NO_TEST_SPLIT, Reference
from alphabar.evaluation.subjects import HowSampled, Subject
from alphabar.files import outputs
from alphabar.metrics import Extractor, Features, moments
from alphabar.runs import evaluations, provenance
from alphabar.runs.model import IN_PLACE, DataPlace, LoadedModel
from alphabar.runs.run import home
from alphabar.sampling import folder as folders
from alphabar.sampling.to_folder import Plan

NEIGHBOURS = "neighbours.png"


@dataclass(frozen=True)
class Request:
    """What is measured against what; the options of `alphabar evaluate`."""

    subject: Path | LoadedModel
    """A run, a checkpoint or its model, which is sampled; a folder of images; an .npz."""
    reference: str | None = None
    """A data set by name, or a path; None means the data that the run was trained on."""
    metrics: Sequence[str] | None = None
    """Names of `scores.CHOICES`; None means all that can be measured."""
    features: str = extractors.AUTO
    extractor_weights: Path | None = None
    count: int | None = None
    """How many images; None means `scores.sensible_count` of a run, and all of anything else."""
    split: str | None = None
    """The split of the reference; None means train, or the split that the run was trained on."""
    reading: HowRead = field(default_factory=HowRead)
    place: DataPlace = IN_PLACE
    """Where the run's data lie now, and the files of a published reference."""
    sampling: HowSampled = field(default_factory=HowSampled)
    out: Path | None = None
    """The folder for the row and neighbours.png; None means the run's folder, or nowhere."""
    statistics: Path | None = None
    """An .npz for mu and sigma of the evaluated images."""

    @property
    def path(self) -> Path:
        """The path of the subject."""
        return self.subject.path if isinstance(self.subject, LoadedModel) else self.subject


def evaluate(request: Request, device: torch.device) -> dict[str, Any]:
    """One row, ready for JSON. The processes of a `distributed.session` share the work; only the main one gets the row.

    Mistakes are found before the first image is sampled.
    """
    _check(request)
    plan = subjects.plan(request.subject, request.sampling, request.count or 1, device, request.place)
    subject: Subject | None = None
    like: DataOptions | None
    if plan is not None:
        n, shape, like = len(plan.job.seeds), plan.job.shape, build.data_options(plan.pipeline.model.config.data)
    else:
        subject = subjects.of_path(request.path, request.reading.of_subject(), request.count)
        n, shape, like = len(subject.images), subject.images.shape, subject.like
    reference = _reference(request, plan, shape, like)
    if plan is not None and request.count is None and request.sampling.seeds is None:
        n = scores.sensible_count(reference.n)
        plan = Plan.of(plan.pipeline, plan.pipeline.job(range(n)))
    weights = request.extractor_weights
    features_of, fallback = extractors.chosen(request.features, weights, reference.about.get("name"))
    extractor = extractors.extractor(features_of, weights, device)
    extractor(torch.zeros((1, *shape), dtype=torch.uint8))  # images that it cannot read are refused now, not later
    names = scores.possible(request.metrics, extractor, reference, n)
    if reference.statistics is not None:
        statistics_file.check_fits(reference.statistics, extractor, str(reference.about["path"]))
    if plan is not None:
        evaluations.prepare(request.out or home(request.path))
        outputs.check((request.out or plan.folder) / NEIGHBOURS, outputs.FIGURE)
        subject = subjects.of_plan(plan)
    assert subject is not None
    row, fake, real = _measured(subject, reference, extractor, names)
    row["warnings"] += [fallback] if fallback else []
    row["warnings"] += request.reading.differences(subject.about, subject.like, reference.about)
    if distributed.is_main():
        _keep(request, plan, row)
        if request.statistics is not None:
            statistics_file.write_statistics(request.statistics, moments(fake), extractor)
        folder = request.out or (plan.folder if plan else None)
        if folder is not None and reference.images is not None and real.features is not None:
            save_neighbours(folder / NEIGHBOURS, subject.images, fake, reference.images, real.features, extractor)
    distributed.barrier()
    return row


def _check(request: Request) -> None:
    """AlphabarError for mistakes that show without looking at an image."""
    if request.count is not None and request.sampling.seeds is not None:
        raise AlphabarError("Both --count and --seeds were given; --count N means --seeds 0-(N-1).")
    check_number("--count", request.count)
    scores.check_names(request.metrics)
    if request.out is not None:
        outputs.check_apart(request.out, _inputs(request))
        outputs.check(request.out / NEIGHBOURS, outputs.FIGURE)
        evaluations.prepare(request.out)
    if request.statistics is not None:
        if request.statistics.suffix != ".npz":
            raise AlphabarError(f"--statistics writes an .npz; {request.statistics} does not end in .npz.")
        outputs.check(request.statistics, outputs.STATISTICS, _inputs(request), "--statistics")
        outputs.prepare(request.statistics.parent, "--statistics", request.statistics)


def _inputs(request: Request) -> list[Path]:
    """The files and folders of images that are read; a folder that `alphabar sample` wrote may get its evaluation."""
    named = [] if request.reference in names_of_data.PUBLISHED_DATA else [request.reference]
    inputs = [Path(place) for place in (*named, request.extractor_weights) if place is not None]
    is_plain = not subjects.is_run(request.path) and not (request.path / folders.SETTINGS).exists()
    return [*inputs, *([request.path] if is_plain else [])]


def _keep(request: Request, plan: Plan | None, row: dict[str, Any]) -> None:
    folder = request.out or (home(request.path) if plan else None)
    if folder is not None:
        evaluations.add(folder, row)


def _reference(request: Request, plan: Plan | None, shape: tuple[int, int, int], like: DataOptions | None) -> Reference:
    """like: how the reference is read, where the request does not say it."""
    if request.reference is not None:
        options = request.reading.of_reference(shape, like, request.split or "train", request.place.root)
        reference = references.of_name(request.reference, options)
    elif plan is not None:
        if request.reading.options:
            raise AlphabarError(
                "A run is compared with its own data, read as they were for training; "
                f"{', '.join(request.reading.options)} is for a --reference that is read in another way."
            )
        label = plan.settings["class"]
        reference = references.of_run(plan.pipeline.model, label, request.split)
    else:
        raise AlphabarError(
            f"{request.path} does not say which images it should be compared with; name a data set, a folder or an "
            ".npz with --reference."
        )
    references.check_shapes(reference, shape)
    return reference


def _measured(
    subject: Subject, reference: Reference, extractor: Extractor, names: Sequence[str]
) -> tuple[dict[str, Any], Features, scores.Real]:
    started = time.perf_counter()
    real = scores.real(reference, extractor)
    fake = features.features(subject.images, extractor, subject.about)
    row = {
        "metrics": scores.measured(names, fake, real, extractor) if distributed.is_main() else {},
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
        "command": provenance.command(),
        "versions": provenance.versions(),
        "device": extractor.device.type,
        "seconds": round(time.perf_counter() - started, 1),
    }
    return row, fake, real


def _warnings(subject: Subject, reference: Reference) -> list[str]:
    warnings, about, n = [], reference.about, len(subject.images)
    for what, count in (("evaluated", n), ("reference", reference.n)):
        if count is not None and count < scores.ENOUGH:
            warnings.append(
                f"only {count:,} {what} images: distances of fewer than {scores.ENOUGH:,} come out too large; "
                "compare only values of equally many"
            )
    if reference.statistics is not None and reference.statistics.extractor is None:
        warnings.append(f"{about['path']} does not say which extractor made it; only its size is known to fit")
    if about.get("is_what_was_trained_on") is False and about["split"] == "train":
        warnings.append("the run was trained on other images than those that its data folder or file holds now")
    if subject.about.get("class") is not None and "class" not in about:
        warnings.append(f"images of class {subject.about['class']} alone are compared with all of the reference")
    if reference.images is not None and torch.equal(subject.images.images, reference.images.images):
        warnings.append("the evaluated images are the reference itself")
    if reference.why_not_held_out != NO_TEST_SPLIT:
        warnings.append(f"no held-out images: {reference.why_not_held_out}")
    return warnings
