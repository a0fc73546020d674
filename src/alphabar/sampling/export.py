"""A run -> a small run to share: one set of weights in half precision, and the settings that sampling needs."""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from alphabar import config as c
from alphabar.errors import AlphabarError
from alphabar.files import outputs, write_json
from alphabar.runs import checkpoint, origin
from alphabar.runs.model import find, load_checkpoint, weights_name
from alphabar.runs.run import Run
from alphabar.sampling.pipeline import Pipeline

DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}
KEPT = ("step", "images", "seconds", "image_facts", "imported", "started_from", origin.PUBLISHED)
"""The entries of a checkpoint's state that describe the model; the others are for resuming training."""
ORIGINS = {"imported", "started_from", origin.PUBLISHED}
"""The entries of a checkpoint's state that say where its weights come from."""
OF_THE_MACHINE = {
    "data": {"path": None, "root": None},
    "evaluation": {"extractor_weights": None},
    "training": {"initialised_from": None},
}
"""Settings that name places on the machine of the training, and their values in an export."""


def export(
    run: Path,
    out: Path,
    weights: str = "ema",
    dtype: str = "float16",
    step: int | str | None = None,
    overrides: Mapping[str, Any] | Sequence[str] = (),
    published: Mapping[str, Any] | None = None,
) -> Path:
    """Write a run directory `out` with one checkpoint of `weights` alone; returns the file of the weights.

    It is written whole or not at all. It can be sampled, evaluated and edited like any run, but not trained further.
    Paths on this machine are left out of its settings.

    overrides: 'sampling.key=value', its default way of sampling. published: where it goes on the Hub, and its licence,
    for the runs that start from it (see `origin.foreign_origin`). AlphabarError if `out` exists, if it could not be
    sampled that way, or if a weight is not finite or too large for `dtype`.
    """
    check_dtype(dtype)
    check_free(out, "export to")
    outputs.check_folder(out, "folder")
    if others := [text for text in overrides if not text.startswith("sampling.")]:
        raise AlphabarError(
            f"Only sampling.key=value, the default way of sampling, can change in an export; got '{others[0]}'."
        )
    return checkpoint.retried(lambda: _exported(find(run, step), out, weights, dtype, overrides, published))


def _exported(
    saved: checkpoint.Checkpoint,
    out: Path,
    weights: str,
    dtype: str,
    overrides: Mapping[str, Any] | Sequence[str],
    published: Mapping[str, Any] | None,
) -> Path:
    model = load_checkpoint(saved, saved.path, weights)
    pipeline = Pipeline.of(model, c.merge({}, overrides).get("sampling", {}))
    config = without_places(model.config.model_copy(update={"sampling": pipeline.section}))
    name = weights_name(saved, model.config, weights)
    tensors = {key: rounded(key, tensor, dtype) for key, tensor in model.tensors().items()}
    state = {key: saved.state[key] for key in KEPT if key in saved.state} | {
        "config": config.model_dump(mode="json"),
        "dtype": dtype,
        "exported_from": saved.sha256[f"{name}.safetensors"],
    }
    if not ORIGINS & state.keys() and (start := origin.foreign_origin(saved.state)):
        state["started_from"] = start
    state |= {key: origin.without_place(state[key]) for key in ORIGINS & state.keys() if isinstance(state[key], dict)}
    if published is not None:
        state[origin.PUBLISHED] = dict(published)
    outputs.prepare(out.parent, "folder", path=out)
    return written(out, config, saved.state["step"], {name: tensors}, state) / f"{name}.safetensors"


def check_dtype(dtype: str) -> None:
    """AlphabarError for a type that weights are not saved in."""
    if dtype not in DTYPES:
        raise AlphabarError(f"Weights are saved as one of {', '.join(DTYPES)}; got '{dtype}'.")


def check_free(out: Path, purpose: str) -> None:
    """AlphabarError if something lies at `out` already, or if it is named like a checkpoint."""
    if out.exists() or out.is_symlink():
        raise AlphabarError(f"{out} exists already; name a new folder to {purpose}.")
    if checkpoint.is_one(out):
        raise AlphabarError(f"{out} is named like a checkpoint in a run; choose another name.")


def rounded(key: str, tensor: Tensor, dtype: str) -> Tensor:
    """A weight in the type of an export; AlphabarError if it does not fit into it."""
    rounded = tensor.to(DTYPES[dtype])
    if not rounded.isfinite().all():
        raise AlphabarError(f"{key} does not fit into {dtype}; export with --dtype bfloat16 or float32.")
    return rounded


def without_places(config: c.Config) -> c.Config:
    """The settings without paths on this machine."""
    sections = {name: getattr(config, name).model_copy(update=places) for name, places in OF_THE_MACHINE.items()}
    return config.model_copy(update=sections)


def written(
    out: Path, config: c.Config, step: int, tensors: dict[str, dict[str, Tensor]], state: dict[str, Any]
) -> Path:
    """The folder of the checkpoint in the new run `out`."""
    temporary = Run(out.with_name(f".{out.name}-{os.getpid()}"))
    try:
        shutil.rmtree(temporary.path, ignore_errors=True)  # of a killed process with our number
        path = checkpoint.save(temporary.checkpoints, step, tensors, state)
        write_json(temporary.config, config.model_dump(mode="json"))
        temporary.path.rename(out)
    finally:
        shutil.rmtree(temporary.path, ignore_errors=True)
    return out / path.relative_to(temporary.path)
