"""What a model card says of a run: read from its checkpoint and its evaluations, without a place on this machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from torch import nn

from alphabar import build, data, names
from alphabar import config as c
from alphabar.errors import AlphabarError
from alphabar.runs import bundled, evaluations, origin
from alphabar.runs.checkpoint import Checkpoint
from alphabar.runs.run import described, home
from alphabar.sampling.export import without_places
from alphabar.sampling.pipeline import Pipeline
from alphabar.sharing.scores import Score, scores


@dataclass(frozen=True)
class Facts:
    """What is known of a published run."""

    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    parameters: int
    data: str
    """The name of a published data set, or the kind of the author's own images."""
    is_own_data: bool
    count: int | None
    """The number of training images, if they or an evaluation on them tell."""
    fingerprint: str
    """The fingerprint of the training images; empty if they are not known, as for an imported model."""
    settings: Mapping[str, Mapping[str, Any]]
    """The settings of the run, by section, without places on this machine."""
    step: int
    images: int | None
    seconds: float | None
    weights: str
    dtype: str
    sampling: str
    steps_per_image: int
    scores: Sequence[Score]
    origin: Mapping[str, Any] | None
    """Where the weights, or those that the training started from, were before: source, format, licence."""
    is_imported: bool
    """Whether the weights are those of the origin as they were."""


def facts(saved: Checkpoint, run: Path, pipeline: Pipeline, dtype: str) -> Facts:
    """The facts of the checkpoint `saved` of `run`; `pipeline` samples from the weights of it that are published."""
    model, state, (config, _) = pipeline.model, saved.state, described(saved)
    rows = evaluations.read(bundled.RUNS / run if bundled.is_bundled(run) else home(run))
    return Facts(
        shape=model.facts.shape,
        classes=model.class_names,
        parameters=sum(p.numel() for p in cast(nn.Module, model.denoiser.network).parameters()),
        data=config.data.name,
        is_own_data=config.data.name in names.OWN_DATA,
        count=_count(config.data, model.facts.fingerprint, rows),
        fingerprint=model.facts.fingerprint,
        settings=without_places(config).model_dump(mode="json"),
        step=model.step,
        images=_number(state.get("images")),
        seconds=state["seconds"] if isinstance(state.get("seconds"), int | float) else None,
        weights=model.weights,
        dtype=dtype,
        sampling=pipeline.how,
        steps_per_image=pipeline.steps_per_image,
        scores=scores(rows, saved.sha256[f"{'network' if model.weights == 'raw' else model.weights}.safetensors"]),
        origin=origin.without_place(found) if (found := origin.foreign_origin(state)) else None,
        is_imported="imported" in state,
    )


def _count(section: c.Data, fingerprint: str, rows: Sequence[Mapping[str, Any]]) -> int | None:
    """The number of training images, from an evaluation on them, or from themselves if they still lie there."""
    if not fingerprint:
        return None
    for row in rows:
        about = row.get("reference")
        if isinstance(about, dict) and about.get("fingerprint") == fingerprint and (count := _number(about.get("n"))):
            return count
    try:
        images = data.load(section.name, replace(build.data_options(section), download=False))
    except AlphabarError:
        return None
    return len(images) if images.fingerprint() == fingerprint else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
