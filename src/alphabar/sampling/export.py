"""A run -> a small one to give away: the weights to draw with, in half precision, and what is needed to read them."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from alphabar import config as c
from alphabar.errors import AlphabarError
from alphabar.files import atomic_file
from alphabar.runs import checkpoint, model
from alphabar.runs.run import Run
from alphabar.sampling import draw as drawing

DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}
KEPT = ("step", "images", "seconds", "image_facts")
"""Of a checkpoint's state: what is said of the model, not what training needs to go on."""
OF_THE_MACHINE = {"data": {"path": None, "root": None}, "evaluation": {"extractor_weights": None}}
"""Settings that name places on the machine that trained, which nobody else has or needs to know."""


def export(
    run: Path,
    out: Path,
    weights: str = "ema",
    dtype: str = "float16",
    step: int | str | None = None,
    overrides: Sequence[str] = (),
) -> Path:
    """Write a run directory `out` with one checkpoint, of `weights` alone, whole or not at all; returns their file.

    overrides: 'sampling.key=value', how it is drawn by default. It is sampled, evaluated and edited as any run; it
    cannot be trained further. Paths on this machine are left out of its settings. AlphabarError if `out` is there
    already, if it could not be drawn so, or if a weight is not finite or too large for `dtype`.
    """
    if dtype not in DTYPES:
        raise AlphabarError(f"Weights are kept as one of {', '.join(DTYPES)}; got '{dtype}'.")
    if out.exists() or out.is_symlink():
        raise AlphabarError(f"{out} is there already; name a new folder to export to.")
    if checkpoint.is_one(out):
        raise AlphabarError(f"{out} is called as a checkpoint in a run is; name the new run otherwise.")
    if others := [text for text in overrides if not text.startswith("sampling.")]:
        raise AlphabarError(f"Only sampling.key=value can change in an export, how it is drawn; got '{others[0]}'.")
    found = model.find(run, step)
    trained = model.load_model(found.path, weights)
    section = drawing.section(trained, c.merge({}, overrides).get("sampling", {}))
    config = _without_places(trained.config.model_copy(update={"sampling": section}))
    name = model.weights_name(found, trained.config, weights)
    tensors = {key: _rounded(key, tensor, dtype) for key, tensor in found.tensors(name).items()}
    state = {key: found.state[key] for key in KEPT if key in found.state} | {
        "config": config.model_dump(mode="json"),
        "dtype": dtype,
        "exported_from": found.sha256[f"{name}.safetensors"],
    }
    made = _written(out, config, found.state["step"], {name: tensors}, state)
    return made / f"{name}.safetensors"


def _rounded(key: str, tensor: Tensor, dtype: str) -> Tensor:
    if not tensor.isfinite().all():
        raise AlphabarError(f"{key} is not finite: the training diverged; choose an earlier checkpoint with --step.")
    rounded = tensor.to(DTYPES[dtype])
    if not rounded.isfinite().all():
        raise AlphabarError(f"{key} does not fit into {dtype}; export with --dtype bfloat16 or float32.")
    return rounded


def _without_places(config: c.Config) -> c.Config:
    sections = {name: getattr(config, name).model_copy(update=places) for name, places in OF_THE_MACHINE.items()}
    return config.model_copy(update=sections)


def _written(
    out: Path, config: c.Config, step: int, tensors: dict[str, dict[str, Tensor]], state: dict[str, Any]
) -> Path:
    """The checkpoint in the new run `out`."""
    temporary = Run(out.with_name(f".{out.name}-{os.getpid()}"))
    try:
        shutil.rmtree(temporary.path, ignore_errors=True)  # of a killed process with our number
        path = checkpoint.save(temporary.checkpoints, step, tensors, state)
        with atomic_file(temporary.config) as file:
            file.write(config.model_dump_json(indent=1).encode())
        temporary.path.rename(out)
    finally:
        shutil.rmtree(temporary.path, ignore_errors=True)
    return out / path.relative_to(temporary.path)
