"""Latents on disk: x_T as safetensors, and in its metadata all that is needed to decode them."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialized
from torch import Tensor

from alphabar.editing.edits import Editor
from alphabar.errors import AlphabarError
from alphabar.files import atomic_file
from alphabar.runs.model import Model
from alphabar.sampling import draw as drawing


def save(path: Path, latents: Tensor, editor: Editor) -> None:
    """float32 (N, C, H, W), with the weights, steps and class that they belong to."""
    told = {
        "weights_sha256": editor.model.sha256,
        "steps": editor.section.steps,
        "spacing": editor.section.spacing,
        "class": editor.label,
    }
    with atomic_file(path) as file:
        file.write(serialized({"latents": latents.contiguous()}, {"alphabar": json.dumps(told)}))


def load(path: Path, run: Path, model: Model, device: torch.device) -> tuple[Tensor, Editor]:
    """The latents, and the editor that decodes them; AlphabarError if they are another model's."""
    try:
        with safe_open(path, "pt") as file:
            latents: Tensor = file.get_tensor("latents")
            told = json.loads(file.metadata()["alphabar"])
            sha256, steps, spacing, label = (told[key] for key in ("weights_sha256", "steps", "spacing", "class"))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        raise AlphabarError(f"{path} holds no latents; `alphabar encode` writes them.") from None
    if sha256 != model.sha256:
        raise AlphabarError(
            f"{path} was encoded by other weights than those of step {model.step} ({model.weights}); name the "
            "run, --step and --weights that encoded it."
        )
    if latents.ndim != 4 or tuple(latents.shape[1:]) != model.facts.shape:
        raise AlphabarError(
            f"The latents in {path} are {tuple(latents.shape)}; the model's images {model.facts.shape}."
        )
    changes = {"sampler": "ddim", "eta": 0.0, "guidance_scale": 1.0, "steps": steps, "spacing": spacing}
    return latents, Editor(run, model, drawing.section(model, changes), label, device)
