"""Models of other programs, in and out: a file per format, a table of names per format, and a registry of each way.

Nothing here knows of runs: a model comes in as a `Portable`, and goes out as one.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor

from alphabar.errors import AlphabarError
from alphabar.interop import diffusers, graphs, hub, openai, openai_export, own, pesser, web
from alphabar.interop.portable import Portable, SizeUnsaidError
from alphabar.interop.request import Request
from alphabar.interop.tensors import SUFFIXES
from alphabar.registry import look_up

Reader = Callable[[Request], Portable]
Writer = Callable[[Portable, Path], tuple[Path, list[str]]]
"""(model, place) -> (file of the weights, lines for the person). The place is free."""

FORMATS: dict[str, Reader] = {
    "openai": openai.read,
    "guided": openai.read,
    "diffusers": diffusers.read,
    "pesser": pesser.read,
    "safetensors": own.read,
}
"""The formats that come in."""

TARGETS: dict[str, Writer] = {
    "diffusers": diffusers.write,
    "openai": openai_export.write,
    "safetensors": own.write,
    "onnx": graphs.write_onnx,
    "torch-export": graphs.write_program,
    "web": web.write,
}
"""The formats that go out."""

__all__ = ["FORMATS", "SUFFIXES", "TARGETS", "Portable", "Request", "SizeUnsaidError", "is_foreign", "read"]


def is_foreign(source: str | Path) -> bool:
    """Whether `source` is a model of another program: a file of weights, a folder of diffusers, or hf:owner/name."""
    path = Path(source)
    try:
        if hub.is_on_hub(str(source)):
            return True
        return (path.suffix in SUFFIXES and path.is_file()) or (path.is_dir() and diffusers.is_diffusers(path))
    except OSError:
        return False


def read(request: Request) -> Portable:
    """The model at a path; AlphabarError, in a sentence, for everything that is none."""
    reader = look_up(FORMATS, request.format, "format") if request.format else None
    if not request.path.exists():
        raise AlphabarError(f"There is no file or folder {request.path} to import.")
    return (reader or FORMATS[recognised(request)])(request)


def recognised(request: Request) -> str:
    """The name of the format at a path."""
    path = request.path
    if path.is_dir():
        if diffusers.is_diffusers(path) or any((path / name).is_dir() for name in ("unet", "unet_ema")):
            return "diffusers"
        raise AlphabarError(f"{path} is a folder without a model_index.json or config.json of diffusers.")
    if own.is_own(path):
        return "safetensors"
    return _of_keys(request.tensors(), path)


def _of_keys(foreign: Mapping[str, Tensor], path: Path) -> str:
    """The format whose names the tensors of a file have."""
    if openai.is_openai(foreign):
        return "openai"
    if pesser.is_pesser(foreign):
        return "pesser"
    if "time_embedding.linear_1.weight" in foreign and diffusers.is_diffusers(path.parent):
        return "diffusers"
    if any("lora_" in key or ".lora." in key for key in foreign):
        raise AlphabarError(f"{path} is a LoRA: a change of another model's weights, and no model by itself.")
    if any(key.startswith(("model.diffusion_model.", "first_stage_model.", "cond_stage_model.")) for key in foreign):
        raise AlphabarError(f"{path} is a latent model (Stable Diffusion); alphabar imports models of pixels.")
    first = next(iter(foreign), "none")
    raise AlphabarError(
        f"{path} holds weights with names of no known format, such as {first:.80}; known are {', '.join(FORMATS)}."
    )
