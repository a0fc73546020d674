"""What the noisy end of the chain is worth (IDDPM Fig. 4)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from alphabar import plots
from alphabar.errors import AlphabarError
from alphabar.evaluation import references, scores
from alphabar.evaluation.features import features_in_memory
from alphabar.figures.against import Against, floor
from alphabar.figures.reverse import how
from alphabar.figures.runs import names
from alphabar.metrics import METRICS, Extractor, display_name
from alphabar.sampling.pipeline import Pipeline
from alphabar.terminal.progress import progress


@dataclass(frozen=True)
class Curve:
    """A run, the rows of its chain to begin at, and the real images that its samples are compared with."""

    pipeline: Pipeline
    rows: list[int]
    extractor: Extractor
    real: scores.Real

    @property
    def T(self) -> int:
        """The length of the network's own chain."""
        return self.pipeline.model.denoiser.schedule.T


def skipped(pipelines: Sequence[Pipeline], shares: Sequence[float], against: Against) -> plots.Figure:
    """FD of images whose reverse process begins with N(0, I) at t' < T, as if that were x_t', against 1 − t'/T.

    Image k begins with the same noise, whatever is skipped.
    """
    begin_rows(1, shares)  # a mistake in them is reported before anything is loaded
    runs = names([pipeline.model.path for pipeline in pipelines])
    curves = {name: _curve(pipeline, shares, against) for name, pipeline in zip(runs, pipelines, strict=True)}
    if len(extractors := {curve.extractor.name for curve in curves.values()}) > 1:
        raise AlphabarError(f"One picture takes one extractor, not {' and '.join(extractors)}; choose with --features.")
    bands, floors, parts = {}, {}, []
    with progress("sampling", against.count * sum(sum(curve.rows) for curve in curves.values())) as advance:
        for name, curve in curves.items():
            config, model = curve.pipeline.model.config, curve.pipeline.model
            t = curve.pipeline.denoiser.schedule.timesteps[curve.rows].numpy()
            share = (curve.T - t) / curve.T
            distances = [_distance(curve, row, against.count, advance) for row in curve.rows]
            value, error = np.array(distances, np.float64).T
            level, label = floor(scores.floors_of("fd", against.count, curve.real), config.data.name)
            bands[f"{name} ({config.diffusion.schedule}, $T = {curve.T}$)"] = plots.Band(share, value, error)
            floors[label] = level
            parts.append(
                {
                    "run": name, "step": model.step, "weights": model.weights, "extractor": curve.extractor.name,
                    "sampler": curve.pipeline.how, "schedule": config.diffusion.schedule, "T": curve.T,
                    "skipped": share, "start": t, "nfe": curve.rows, "n": against.count,
                    "fd": value, "standard_error": error, "floor": level,
                }
            )  # fmt: skip
    hows = {how(curve.pipeline) for curve in curves.values()}
    note = f"{' or '.join(sorted(hows))} less the skipped ones; {against.count:,} images for each point"
    figure = plots.skipped(bands, floors, display_name("fd", extractors.pop()), note)
    return plots.Figure(figure, plots.Table.of(*parts))


def begin_rows(K: int, shares: Sequence[float]) -> list[int]:
    """The rows of a chain of K steps at which to begin so that these shares of it are skipped, descending."""
    if wrong := [share for share in shares if not 0 <= share < 1]:
        raise AlphabarError(f"The skipped share must be at least 0 and below 100 %; got {100 * wrong[0]:g} %.")
    return sorted({max(1, round((1 - share) * K)) for share in shares}, reverse=True)


def _curve(pipeline: Pipeline, shares: Sequence[float], against: Against) -> Curve:
    rows = begin_rows(pipeline.steps_per_image, shares)
    reference = references.of_run(pipeline.model)
    references.check_shapes(reference, pipeline.model.facts.shape)
    extractor = against.extractor(pipeline.model)
    return Curve(pipeline.prepare(), rows, extractor, scores.real(reference, extractor))


def _distance(curve: Curve, row: int, count: int, advance: Callable[[float], None]) -> tuple[float, float]:
    """FD of `count` images that begin at `row`, and its standard error."""
    fake = features_in_memory(samples(curve.pipeline, row, count, advance), curve.extractor)
    fd = METRICS["fd"](curve.real.features, fake)["fd"]
    return fd.value, fd.more["standard_error"]


def samples(pipeline: Pipeline, row: int, count: int, advance: Callable[[float], None]) -> Tensor:
    """Images of the seeds 0..count-1, uint8 (N, C, H, W); with the last row they are those of `alphabar sample`."""
    return pipeline.images(pipeline.job(range(count)), row, watch=lambda step: advance(len(step.x)), bar="")
