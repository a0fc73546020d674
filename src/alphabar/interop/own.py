"""One file of safetensors with everything: our weights under our names, and the settings in its metadata."""

import json
from pathlib import Path

from pydantic import ValidationError
from safetensors.torch import save_file

from alphabar import config as c
from alphabar.errors import AlphabarError
from alphabar.files import json_text
from alphabar.interop import tensors
from alphabar.interop.portable import Portable, sizes
from alphabar.interop.request import Request

KEY = "alphabar"
"""The entry of the metadata."""


def is_own(path: Path) -> bool:
    """Whether alphabar wrote the file."""
    return KEY in tensors.metadata(path)


def write(model: Portable, out: Path) -> tuple[Path, list[str]]:
    """Write the file `out`, which `alphabar import` reads again."""
    content = {
        "config": model.config.model_dump(mode="json"),
        "image_facts": model.facts.model_dump(mode="json"),
        "step": model.step,
        "record": dict(model.record),
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    weights = {key: tensor.contiguous() for key, tensor in model.tensors.items()}
    save_file(weights, out, metadata={KEY: json.dumps(content), "format": "pt"})
    return out, [f"bring it back with `alphabar import {out} --run DIR`"]


def read(request: Request) -> Portable:
    """The model in a file that `write` wrote."""
    path, metadata = request.path, tensors.metadata(request.path)
    try:
        content = json_text.parsed(metadata[KEY].encode())
        if not isinstance(content["config"], dict) or not isinstance(content["record"], dict):
            raise ValueError("its config and record are not dictionaries")
        config = c.parse(c.merge(content["config"], request.overrides))
        facts = c.ImageFacts.model_validate(content["image_facts"])
        step, record = content["step"], content["record"]
        if type(step) is not int or step < 0:
            raise ValueError(f"its step is {step!r:.40}")
    except AlphabarError as error:
        raise AlphabarError(f"The settings in {path} do not fit ({str(error.args[0]).rstrip('.')}).") from None
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        raise AlphabarError(f"{path} does not hold the settings of a model of alphabar's ({error!s:.100}).") from None
    weights = request.tensors()
    for name, like in sizes(config, facts).items():
        if name not in weights or weights[name].shape != like.shape:
            have = list(weights[name].shape) if name in weights else "none"
            raise AlphabarError(f"{name} in {path} is {have}; this network needs {list(like.shape)}.")
    return Portable(config, facts, {name: tensor.float() for name, tensor in weights.items()}, step, record)
