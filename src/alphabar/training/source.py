"""The weights that a new run starts from: those of a run's checkpoint, or of a model of another program."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from alphabar import build, interop
from alphabar import config as c
from alphabar.interop import hub
from alphabar.runs import checkpoint, origin
from alphabar.runs.model import load_model
from alphabar.runs.run import described
from alphabar.sampling import foreign


@dataclass(frozen=True)
class Source:
    """Weights to start from."""

    config: c.Config
    """The settings that they were trained with."""
    class_names: tuple[str, ...]
    tensors: Mapping[str, Tensor]
    record: Mapping[str, Any]
    """What each checkpoint of the new run says of them: path, step, weights, sha256; imported: `foreign_origin`."""
    notes: tuple[str, ...] = ()
    """Sentences: what a foreign file did not say, and what of it is not used."""


def read(path: Path) -> Source:
    """The source at `path`, as `training.initialised_from` names it; AlphabarError if there is none."""
    return _of_foreign(path) if interop.is_foreign(path) else _of_run(path)


def _of_run(path: Path) -> Source:
    model = load_model(path, _weights(path))
    imported = origin.foreign_origin(checkpoint.read(path).state)
    record = _record(path, model.step, model.weights, model.sha256, imported)
    return Source(model.config, model.class_names, model.tensors(), record)


def _weights(path: Path) -> str:
    """The first average; or what an exported run has."""
    saved = checkpoint.read(path)
    averages = [name for name in saved.names() if name.startswith("ema-")]
    first = f"ema-{described(saved)[0].training.ema_rates[0]}"
    return first if first in averages else averages[0] if averages else "raw"


def _of_foreign(path: Path) -> Source:
    request = interop.Request.of(path)
    model = foreign.readable(request)
    name = str(path) if hub.is_on_hub(str(path)) else path.name  # exports carry it: they name no folder of a machine
    imported = origin.foreign_origin({foreign.RECORD: {"source": name, **model.record}})
    record = _record(path, model.step, model.weights, foreign.sha256_of_weights(request.path), imported)
    names = build.class_names(model.config, model.facts)
    return Source(model.config, names, model.tensors, record, model.notes)


def _record(path: Path, step: int, weights: str, sha256: str, imported: Mapping[str, Any] | None) -> dict[str, Any]:
    record = {"path": str(path), "step": step, "weights": weights, "sha256": sha256}
    return record | ({"imported": dict(imported)} if imported else {})
