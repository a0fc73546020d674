"""The subject of an evaluation: a run, which is sampled first; a folder; or an .npz. With the row's entry about it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from alphabar import data, seeds
from alphabar.data import DataOptions, ImageSet
from alphabar.data.options import of_manner
from alphabar.errors import AlphabarError, check_number
from alphabar.evaluation import references
from alphabar.evaluation.features import random_order
from alphabar.runs import bundled, checkpoint
from alphabar.runs.model import IN_PLACE, DataPlace, LoadedModel, load_model
from alphabar.runs.run import Run
from alphabar.sampling import folder as folders
from alphabar.sampling.pipeline import Pipeline
from alphabar.sampling.to_folder import Plan, sample_to_folder

ROUNDED = "round((x + 1) * 127.5) to uint8"


@dataclass(frozen=True)
class Subject:
    """The images, and the row's entry about them."""

    images: ImageSet
    about: Mapping[str, Any]
    like: DataOptions | None
    """How images must be read to be like them: as the run's data were. None if that is not known."""


@dataclass(frozen=True)
class HowSampled:
    """How the images of a run are sampled, where that differs from its recipe."""

    seeds: Sequence[int] | None = None
    label: str | int | None = None
    weights: str = "ema"
    step: int | str | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Settings of [sampling]."""

    @property
    def options(self) -> list[str]:
        """The names of the options that are set."""
        own = {"seeds": self.seeds, "class": self.label, "step": self.step}
        names = [name for name, value in own.items() if value is not None]
        return [*names, *(["weights"] if self.weights != "ema" else []), *self.changes]


def is_run(path: Path) -> bool:
    """Whether `path` is a run, a checkpoint, or the name of a bundled model."""
    is_folder = Run(path).config.exists() and Run(path).checkpoints.is_dir()
    return is_folder or bundled.is_bundled(path) or (checkpoint.is_one(path) and (path / checkpoint.MANIFEST).exists())


def plan(
    path: Path | LoadedModel, how: HowSampled, count: int, device: torch.device, place: DataPlace = IN_PLACE
) -> Plan | None:
    """The images that a run is sampled for; None if `path` is not a run."""
    if not isinstance(path, LoadedModel) and not is_run(path):
        if how.options:
            flags = ", ".join(f"--{name.removesuffix('_scale').replace('_', '-')}" for name in how.options)
            raise AlphabarError(f"{path} is no run, so nothing is sampled from it; leave out {flags}.")
        return None
    check_number("--count", count, most=seeds.MOST)
    model = path if isinstance(path, LoadedModel) else load_model(path, how.weights, device, how.step, place)
    pipeline = Pipeline.of(model, how.changes, model.label(how.label))
    image_seeds = range(count) if how.seeds is None else how.seeds
    if repeated := [seed for seed, times in Counter(image_seeds).items() if times > 1]:
        raise AlphabarError(f"Seed {repeated[0]} is named twice in the seeds; each image counts once.")
    return Plan.of(pipeline, pipeline.job(image_seeds))


def of_plan(plan: Plan) -> Subject:
    """The images of a run; the missing ones are sampled."""
    samples = sample_to_folder(plan)
    return _of_samples(samples, plan.folder, plan.settings, plan.job.seeds)


def of_path(path: Path, options: DataOptions, count: int | None) -> Subject:
    """The images of a folder that `alphabar sample` wrote, of any other folder, or of an .npz, read as `options` say.

    count: evaluate this many of them. They are chosen at random, always the same ones: a folder may be sorted by class.
    """
    if (sampled := folders.read(path)) is not None:
        samples, settings, image_seeds = sampled
        rows = _some(len(samples), count, path)
        return _of_samples(samples[rows], path, settings, [image_seeds[row] for row in rows])
    image_set = data.load(data.detect(path), replace(options, path=path))
    rows = _some(len(image_set), count, path)
    about = references.about(image_set, options)
    said = ("resize", "image_size", "background", "white", "levels", "transparent", "rounding")
    kept = {name: about[name] for name in said}
    return _subject(image_set.images[rows], path, kept, None)


def _some(available: int, count: int | None, source: Path) -> list[int]:
    """The numbers of the images that are evaluated."""
    if count is None or count == available:
        return list(range(available))
    if count > available:
        raise AlphabarError(f"{source} holds {available:,} images; --count {count} asks for more.")
    return sorted(random_order(available)[:count].tolist())


def _of_samples(images: torch.Tensor, source: Path, settings: Mapping[str, Any], image_seeds: Sequence[int]) -> Subject:
    return _subject(images, source, _about_samples(settings, image_seeds), of_manner(settings.get("data")))


def _subject(images: torch.Tensor, source: Path, about: Mapping[str, Any], like: DataOptions | None) -> Subject:
    image_set = ImageSet(name="generated", images=images, labels=None, class_names=(), source=str(source))
    return Subject(image_set, {"path": str(source), "fingerprint": image_set.fingerprint(), **about}, like)


def _about_samples(settings: Mapping[str, Any], image_seeds: Sequence[int]) -> dict[str, Any]:
    kept = {name: value for name, value in settings.items() if name not in ("alphabar", "seeds", "classes")}
    return {
        **kept,
        "sampled_by": f"alphabar {settings.get('alphabar')}",
        "nfe": settings.get("network_calls", settings["steps"]),
        "seeds": seeds.listed(image_seeds),
        "rounding": ROUNDED,
        "resize": "none",
        "image_size": None,
    }
