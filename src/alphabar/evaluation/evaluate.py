"""An evaluation from beginning to end: a request in, one row out."""

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from alphabar import build, distributed
from alphabar.data import DataOptions
from alphabar.data.options import OPTIONS
from alphabar.errors import AlphabarError
from alphabar.errors import options as as_options
from alphabar.evaluation import extractors, features, references, scores, statistics_file, subjects
from alphabar.evaluation.neighbours import save_neighbours
from alphabar.evaluation.references import NO_TEST_SPLIT, Reference
from alphabar.evaluation.subjects import HowSampled, Subject
from alphabar.images import BLACK, Colour, Size
from alphabar.metrics import Extractor, Features, moments
from alphabar.runs import evaluations, provenance
from alphabar.runs.model import IN_PLACE, DataPlace, LoadedModel
from alphabar.runs.run import home
from alphabar.sampling.to_folder import Plan


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
    """How many images; None means 10,000 of a run, and all of anything else."""
    split: str | None = None
    """The split of the reference; None means train, or the split that the run was trained on."""
    image_size: Size | None = None
    resize: str | None = None
    background: Colour | None = None
    """image_size, resize, background: how folders are read; None means as the run's data, else as they are stored."""
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
    plan = subjects.plan(request.subject, request.sampling, request.count or scores.ENOUGH, device, request.place)
    subject: Subject | None = None
    like: DataOptions | None
    if plan is not None:
        n, shape, like = len(plan.job.seeds), plan.job.shape, build.data_options(plan.pipeline.model.config.data)
    else:
        subject = _subject_of_path(request)
        n, shape, like = len(subject.images), subject.images.shape, subject.like
    reference = _reference(request, plan, shape, like)
    extractor = extractors.extractor(request.features, request.extractor_weights, reference.about.get("name"), device)
    extractor(torch.zeros((1, *shape), dtype=torch.uint8))  # images that it cannot read are refused now, not later
    names = scores.possible(request.metrics, extractor, reference, n)
    if reference.statistics is not None:
        statistics_file.check_fits(reference.statistics, extractor, str(reference.about["path"]))
    if plan is not None:
        _can_write(request.out or home(request.path))
        subject = subjects.of_plan(plan)
    assert subject is not None
    row, fake, real = _measured(subject, reference, extractor, names)
    row["warnings"] += _unlike(request, subject, reference.about)
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
    """AlphabarError for mistakes that show without looking at an image."""
    if request.count is not None and request.sampling.seeds is not None:
        raise AlphabarError("Both --count and --seeds were given; --count N means --seeds 0-(N-1).")
    scores.check_names(request.metrics)
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


def _keep(request: Request, plan: Plan | None, row: dict[str, Any]) -> None:
    folder = request.out or (home(request.path) if plan else None)
    if folder is not None:
        evaluations.add(folder, row)


def _subject_of_path(request: Request) -> Subject:
    resize = "none" if request.image_size is None else request.resize or "none"
    options = DataOptions(image_size=request.image_size, resize=resize, background=request.background or BLACK)
    with as_options(OPTIONS):
        return subjects.of_path(request.path, options, request.count)


def _reference(request: Request, plan: Plan | None, shape: tuple[int, int, int], like: DataOptions | None) -> Reference:
    """like: how the reference is read, where the request does not say it."""
    like = like or DataOptions()
    if request.reference is not None:
        options = replace(
            like,
            path=None,
            data_root=request.place.root,
            split=request.split or "train",
            image_size=request.image_size or shape[1:],
            resize=request.resize or like.resize,
            background=request.background or like.background,
            channels=shape[0],
        )
        with as_options(OPTIONS):
            reference = references.of_name(request.reference, options)
    elif plan is not None:
        if (request.image_size, request.resize, request.background) != (None, None, None):
            raise AlphabarError(
                "A run is compared with its own data, read as they were for training; "
                "--image-size, --resize and --background are for a --reference that is read in another way."
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
                f"only {count:,} {what} images: below {scores.ENOUGH:,}, distances are too large for that alone; "
                "compare at equal n only"
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


def _unlike(request: Request, subject: Subject, reference: Mapping[str, Any]) -> list[str]:
    """Warnings if the two sides were read in different ways. reference: the entry of the row about it."""
    if "background" not in reference:  # statistics do not say how their images were read
        return []
    if subject.like is None:
        counts = {"reference": reference["transparent"], "evaluated": subject.about.get("transparent", 0)}
        (side, other) = sorted(counts, key=lambda side: -counts[side])
        if counts[other] or not counts[side] or request.background is not None:
            return []
        return [
            f"transparency in {counts[side]:,} of the {side} images was put on {reference['background']}, and the "
            f"{other} images have none; name the colour that is behind those with --background"
        ]
    ways = {
        "--resize": (reference["resize"], subject.like.resize),
        "--background": (reference["background"], list(subject.like.background)),
    }
    return [
        f"the reference was read with {option} {theirs}, and the data that the run was trained on with {ours}: that "
        "difference is part of the distances"
        for option, (theirs, ours) in ways.items()
        if theirs != ours
    ]
