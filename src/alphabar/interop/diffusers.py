"""Folders of diffusers' DDPMPipeline and DDIMPipeline, read and written without diffusers."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from alphabar.errors import AlphabarError
from alphabar.files import open_regular, read_json
from alphabar.interop import diffusers_scheduler, diffusers_unet, diffusers_unet_out, tensors
from alphabar.interop.diffusers_keys import renewed, table
from alphabar.interop.fields import known
from alphabar.interop.keys import from_ours, to_ours
from alphabar.interop.portable import Portable, facts, settled, sizes
from alphabar.interop.request import Request

INDEX, CONFIG, SCHEDULER = "model_index.json", "config.json", "scheduler_config.json"
WEIGHTS = "diffusion_pytorch_model"
PIPELINES = ("DDPMPipeline", "DDIMPipeline", "PNDMPipeline")
LORA = ("adapter_config.json", "pytorch_lora_weights.safetensors", "pytorch_lora_weights.bin")


def is_diffusers(folder: Path) -> bool:
    """Whether a folder is one of diffusers: a pipeline, a network, or a LoRA."""
    return any((folder / name).is_file() for name in (INDEX, SCHEDULER, *LORA)) or bool(_config_of_network(folder))


def read(request: Request) -> Portable:
    """The model in a pipeline's folder, or in that of its network alone."""
    folder = request.path if request.path.is_dir() else request.path.parent
    source = request.path.name or str(request.path)
    index = _json(folder / INDEX) if (folder / INDEX).is_file() else {}
    _check_pipeline(folder, index, source)
    home = _home(folder, source)
    unet, scheduler = _json(home / CONFIG), _scheduler(folder, home)
    weights = _weights(home)
    network, notes = diffusers_unet.read(unet, request.overrides, f"{source}'s network")
    fields = known(unet, diffusers_unet.DEFAULTS, f"{source}'s network")
    ways = (fields["in_channels"], fields["out_channels"])
    if ways[1] not in (ways[0], 2 * ways[0]):
        raise AlphabarError(
            f"{source}'s network takes {ways[0]} channels and returns {ways[1]}; alphabar imports those "
            "that return as many, or twice as many."
        )
    process, more = diffusers_scheduler.read(scheduler or {}, ways[1] == 2 * ways[0], source)
    if scheduler is None:
        notes.append("no scheduler_config.json lies there, so the chain is diffusers' default, that of DDPM.")
    config = settled(network | process | {"training": {"steps": 1}}, request.overrides)
    image_facts = facts(config, ways[0], fields["num_class_embeds"] or 0, source)
    card = {"licence": licence} if (licence := licence_in(folder)) else {}
    foreign = renewed(tensors.read(weights))
    return Portable(
        config=config,
        facts=image_facts,
        tensors=to_ours(foreign, table(sizes(config, image_facts)), weights.name),
        record={"format": "diffusers", **card, "index": index, "unet": unet, "scheduler": scheduler or {}},
        notes=(*notes, *more),
    )


def licence_in(folder: Path) -> str | None:
    """The licence that the head of the folder's README.md names, as on the Hub."""
    try:
        with open_regular(folder / "README.md") as file:
            head = file.read(100_000).decode("utf-8", "replace")
    except OSError:
        return None
    _, fence, rest = head.partition("---\n")
    found = re.search(r"^license:\s*[\"']?([\w.+-]{1,60})", rest.partition("\n---")[0], re.MULTILINE)
    return found[1] if fence and found else None


def _check_pipeline(folder: Path, index: Mapping[str, Any], source: str) -> None:
    """AlphabarError for models of latents or texts, and for what is no model by itself."""
    if lora := next((name for name in LORA if (folder / name).is_file()), None):
        raise AlphabarError(f"{source} is a LoRA ({lora}): a change of another model, and none by itself.")
    kind = str(index.get("_class_name", PIPELINES[0]))
    parts = [part for part in ("vae", "vqvae", "text_encoder", "tokenizer", "transformer") if part in index]
    if kind not in PIPELINES or parts:
        why = f", with a {parts[0]}" if parts else ""
        raise AlphabarError(
            f"{source} is a {kind:.60}{why}; alphabar imports models of pixels without texts: {', '.join(PIPELINES)}."
        )


def _config_of_network(folder: Path) -> Mapping[str, Any]:
    """The config.json there, if it is that of a network of diffusers."""
    try:
        config = read_json(folder / CONFIG)
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) and "_class_name" in config else {}


def _home(folder: Path, source: str) -> Path:
    """The folder of the network: unet_ema or unet, or the folder itself."""
    for place in (folder / "unet_ema", folder / "unet", folder):
        if (place / CONFIG).is_file():
            return place
    raise AlphabarError(f"{source} has no unet/config.json and no config.json, so it holds no network of diffusers.")


def _scheduler(folder: Path, home: Path) -> Mapping[str, Any] | None:
    for place in (folder / "scheduler", folder, home.parent / "scheduler"):
        if (place / SCHEDULER).is_file():
            return _json(place / SCHEDULER)
    return None


def _weights(home: Path) -> Path:
    """The file of weights; full precision first."""
    for variant in ("", ".non_ema", ".fp16"):
        for suffix in (".safetensors", ".bin"):
            if (path := home / f"{WEIGHTS}{variant}{suffix}").is_file():
                return path
    raise AlphabarError(f"{home} holds no {WEIGHTS}.safetensors and no {WEIGHTS}.bin.")


def _json(path: Path) -> dict[str, Any]:
    try:
        value = read_json(path)
    except OSError as error:
        raise AlphabarError(f"{path} cannot be read ({error.strerror or error}).") from None
    except ValueError as error:
        raise AlphabarError(f"{path} is not valid JSON ({error!s:.100}).") from None
    if not isinstance(value, dict):
        raise AlphabarError(f"{path} is not a table of settings.")
    return value


def write(model: Portable, out: Path) -> tuple[Path, list[str]]:
    """Write the folder of a pipeline, which diffusers loads with `DDPMPipeline.from_pretrained`.

    Returns the file of the weights, and what a person should know. The original's keys that have no counterpart here
    come out again.
    """
    own = sizes(model.config, model.facts)
    record = model.record if model.record.get("format") == "diffusers" else {}
    unet = diffusers_unet_out.written(model.config, model.facts, own, record.get("unet", {}))
    scheduler = diffusers_scheduler.written(model.config, record.get("scheduler", {}))
    kind = "DDIMPipeline" if scheduler["_class_name"] == "DDIMScheduler" else "DDPMPipeline"
    parts = {"unet": ["diffusers", "UNet2DModel"], "scheduler": ["diffusers", scheduler["_class_name"]]}
    index = dict(record.get("index", {})) | {"_class_name": kind} | parts
    path = out / "unet" / f"{WEIGHTS}.safetensors"
    for name, content in ((INDEX, index), (f"unet/{CONFIG}", unet), (f"scheduler/{SCHEDULER}", scheduler)):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    save_file(_contiguous(from_ours(model.tensors, table(own))), path, metadata={"format": "pt"})
    lines = [f"load it with diffusers.{kind}.from_pretrained({str(out)!r})"]
    if (stride := diffusers_scheduler.stride(model.config)) > 1:
        T = model.config.diffusion.steps
        lines.append(
            f"its chain is every step of {T} whose timestep the network knows as a whole number: "
            f"{scheduler['num_train_timesteps']} steps (diffusion.time_scale is 1/{stride})"
        )
    return path, lines


def _contiguous(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: tensor.contiguous() for key, tensor in weights.items()}
