"""Latents on disk: x_T as safetensors, with all that is needed to decode them in the metadata."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialized
from torch import Tensor

from alphabar.editing.inversion import DETERMINISTIC
from alphabar.errors import AlphabarError
from alphabar.files import json_text, open_regular
from alphabar.files.outputs import LATENTS, mark, written
from alphabar.runs.model import LoadedModel
from alphabar.sampling.pipeline import Pipeline


def save(path: Path, latents: Tensor, pipeline: Pipeline) -> None:
    """Write float32 (N, C, H, W), with the weights, steps and class that they belong to."""
    about = {
        "weights_sha256": pipeline.model.sha256,
        "steps": pipeline.section.steps,
        "spacing": pipeline.section.spacing,
        "class": pipeline.label if isinstance(pipeline.label, int) else None,
    }
    metadata = {"alphabar": json.dumps(about), "written_by": mark(LATENTS)}
    with written(path, LATENTS) as file:
        file.write(serialized({"latents": latents.contiguous()}, metadata))


def check_weights(latents: str, sha256: str, model: LoadedModel) -> None:
    """AlphabarError unless `model` has the weights of this sha256, which encoded the latents."""
    if sha256 != model.sha256:
        raise AlphabarError(
            f"{latents} was encoded with other weights than those of step {model.step} ({model.weights}); name the "
            "run, --step and --weights that encoded it."
        )


def load(path: Path, model: LoadedModel) -> tuple[Tensor, Pipeline]:
    """The latents, and the pipeline that decodes them; AlphabarError if they are another model's."""
    try:
        open_regular(path).close()
        with safe_open(path, "pt") as file:
            latents: Tensor = file.get_tensor("latents")
            about = json_text.parsed(file.metadata()["alphabar"].encode())
            sha256, steps, spacing, label = (about[key] for key in ("weights_sha256", "steps", "spacing", "class"))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        raise AlphabarError(f"{path} holds no latents; `alphabar encode` writes them.") from None
    check_weights(str(path), sha256, model)
    if latents.ndim != 4 or tuple(latents.shape[1:]) != model.facts.shape:
        raise AlphabarError(
            f"The latents in {path} are {tuple(latents.shape)}; the model's images are {model.facts.shape}."
        )
    if latents.dtype != torch.float32 or not latents.isfinite().all():
        raise AlphabarError(f"The latents in {path} are not finite float32 numbers; `alphabar encode` writes such.")
    if not len(latents):
        raise AlphabarError(f"The latents in {path} are those of no image; `alphabar encode` writes at least one.")
    changes = DETERMINISTIC | {"steps": steps, "spacing": spacing}
    return latents, Pipeline.of(model, changes, "none" if label is None else model.label(label))
