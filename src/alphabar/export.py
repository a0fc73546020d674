"""A run -> a small one to give away: the weights to draw with, in half precision, and what is needed to read them."""

from collections.abc import Sequence
from pathlib import Path

import torch

from alphabar import checkpoint, model
from alphabar import config as c
from alphabar.errors import AlphabarError
from alphabar.images import atomic_file
from alphabar.run import Run, described

DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}
KEPT = ("step", "images", "seconds", "image_facts")
"""Of a checkpoint's state: what is said of the model, not what training needs to go on."""


def export(
    run: Path,
    out: Path,
    weights: str = "ema",
    dtype: str = "float16",
    step: int | str | None = None,
    overrides: Sequence[str] = (),
) -> Path:
    """Write a run directory `out` with one checkpoint, of `weights` alone; returns the file of weights.

    overrides: 'sampling.key=value', how it is drawn by default. It is sampled, evaluated and edited as any run; it
    cannot be trained further. AlphabarError if `out` is there already, or if a weight is too large for `dtype`.
    """
    if dtype not in DTYPES:
        raise AlphabarError(f"Weights are kept as one of {', '.join(DTYPES)}; got '{dtype}'.")
    if out.exists():
        raise AlphabarError(f"{out} is there already; name a new folder to export to.")
    if others := [text for text in overrides if not text.startswith("sampling.")]:
        raise AlphabarError(f"Only sampling.key=value can change in an export, how it is drawn; got '{others[0]}'.")
    found = model.find(run, step)
    trained, _ = described(found)
    config = c.parse(c.merge(trained.model_dump(mode="json"), overrides))
    name = model.weights_name(found, config, weights)
    tensors = {key: tensor.to(DTYPES[dtype]) for key, tensor in found.tensors(name).items()}
    if wrong := [key for key, tensor in tensors.items() if not tensor.isfinite().all()]:
        raise AlphabarError(f"{wrong[0]} does not fit into {dtype}; export with --dtype bfloat16 or float32.")
    state = {key: found.state[key] for key in KEPT} | {
        "config": config.model_dump(mode="json"),
        "dtype": dtype,
        "exported_from": found.sha256[f"{name}.safetensors"],
    }
    made = Run(out)
    path = checkpoint.save(made.checkpoints, found.state["step"], {name: tensors}, state)
    with atomic_file(made.config) as file:
        file.write(config.model_dump_json(indent=1).encode())
    return path / f"{name}.safetensors"
