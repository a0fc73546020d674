"""IDDPM Fig. 4."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from alphabar import build, images, plots
from alphabar.config import Sampling
from alphabar.diffusion import Denoiser
from alphabar.errors import AlphabarError
from alphabar.evaluation import references
from alphabar.evaluation import scores as measuring
from alphabar.evaluation.extractors import extractor
from alphabar.evaluation.features import features_in_memory
from alphabar.figures.runs import names
from alphabar.metrics import METRICS, Extractor, display_name
from alphabar.progress import progress
from alphabar.runs.model import Model, load_model
from alphabar.sampling import draw as drawing
from alphabar.sampling import job as generation


@dataclass(frozen=True)
class Subject:
    """A run, how its images are drawn, the rows of that chain to begin at, and what they are compared with."""

    model: Model
    section: Sampling
    denoiser: Denoiser
    rows: list[int]
    extractor: Extractor
    real: measuring.Real

    @property
    def how(self) -> str:
        """The sampler."""
        return drawing.described(self.section)

    @property
    def T(self) -> int:
        """Of the whole chain."""
        return self.model.denoiser.schedule.T


def skipped(
    runs: Sequence[Path],
    shares: Sequence[float],
    count: int,
    changes: dict[str, Any],
    features: str,
    extractor_weights: Path | None,
    weights: str,
    data_root: Path | None,
    device: torch.device,
) -> plots.Drawn:
    """FD of images whose reverse process begins with N(0, I) at t' < T, as if that were x_t', against 1 − t'/T.

    changes: to the [sampling] of each run. Image k begins with the same noise, whatever is skipped.
    """
    begin_rows(1, shares)  # what is wrong with them is said before anything is loaded
    subjects = {}
    for name, run in zip(names(runs), runs, strict=True):
        model = load_model(run, weights, device)
        eye = extractor(features, extractor_weights, model.config.data.name, device)
        subjects[name] = _subject(model, drawing.section(model, changes), shares, eye, data_root)
    if len(eyes := {subject.extractor.name for subject in subjects.values()}) > 1:
        raise AlphabarError(f"One picture takes one extractor, not {' and '.join(eyes)}; say which with --features.")
    curves, floors, parts = {}, {}, []
    with progress("drawing", count * sum(sum(subject.rows) for subject in subjects.values())) as advance:
        for name, s in subjects.items():
            t = s.denoiser.schedule.timesteps[s.rows].numpy()
            share = (s.T - t) / s.T
            distances = [_distance(s, row, count, device, advance) for row in s.rows]
            value, error = np.array(distances, np.float64).T
            floor, of = _floor(s, count)
            curves[f"{name} ({s.model.config.diffusion.schedule}, $T = {s.T}$)"] = plots.Band(share, value, error)
            floors[of] = floor
            parts.append(
                {
                    "run": name, "step": s.model.step, "weights": s.model.weights, "extractor": s.extractor.name,
                    "sampler": s.how, "schedule": s.model.config.diffusion.schedule, "T": s.T,
                    "skipped": share, "start": t, "nfe": s.rows, "n": count,
                    "fd": value, "standard_error": error, "floor": floor,
                }
            )  # fmt: skip
    metric = display_name("fd", eyes.pop())
    hows = {f"{s.how}, {s.denoiser.schedule.T} steps" for s in subjects.values()}
    note = f"{' or '.join(sorted(hows))} less those skipped; {count:,} images for each point"
    return plots.Drawn(plots.skipped(curves, floors, metric, note), plots.Table.of(*parts))


def begin_rows(K: int, shares: Sequence[float]) -> list[int]:
    """The rows of a chain of K steps at which to begin so that these shares of it are skipped, descending."""
    if wrong := [share for share in shares if not 0 <= share < 1]:
        raise AlphabarError(f"What is skipped must lie from 0 up to less than 100 %; got {100 * wrong[0]:g} %.")
    return sorted({max(1, round((1 - share) * K)) for share in shares}, reverse=True)


def _subject(model: Model, section: Sampling, shares: Sequence[float], eye: Extractor, root: Path | None) -> Subject:
    denoiser = build.respaced(model.denoiser, section)
    rows = begin_rows(denoiser.schedule.T, shares)
    data = model.config.data.model_copy(update={"root": root or model.config.data.root})
    reference = references.of_training(data, model.facts.fingerprint, None)
    references.check_shapes(reference, model.facts.shape)
    return Subject(model, section, denoiser, rows, eye, measuring.real(reference, eye))


def _distance(
    s: Subject, row: int, count: int, device: torch.device, advance: Callable[[float], None]
) -> tuple[float, float]:
    """FD of `count` images that begin at `row`, and its standard error."""
    fake = features_in_memory(drawn(s.model, s.denoiser, s.section, row, count, device, advance), s.extractor)
    fd = METRICS["fd"](s.real.features, fake)["fd"]
    return fd.value, fd.more["standard_error"]


def drawn(
    model: Model,
    denoiser: Denoiser,
    section: Sampling,
    row: int,
    count: int,
    device: torch.device,
    advance: Callable[[float], None],
) -> Tensor:
    """Images of the seeds 0..count-1, uint8 (N, C, H, W); with the last row they are those of `alphabar sample`."""
    sampler, condition = build.sampler(section), build.condition(model.config, model.facts, section)
    job = generation.job(range(count), model.facts.shape, len(build.class_names(model.config, model.facts)))
    found = []
    for step in generation.draw(denoiser, sampler, job, section.batch_size, device, condition, row):
        advance(len(step.x))
        if step.t == 0:
            found.append(images.to_uint8(step.x).cpu())
    return torch.cat(found)


def _floor(s: Subject, count: int) -> tuple[float, str]:
    """What as many real images score, and which; NaN if there are too few."""
    floors = measuring.floors_of("fd", count, s.real)
    data = s.model.config.data.name
    for name, of in (("held_out", "held-out images"), ("halves", "real images, of one half against the other,")):
        if name in floors:
            return floors[name].values["fd"], f"{floors[name].n_fake:,} {of} of {data}"
    return float("nan"), "no floor: too few real images"
