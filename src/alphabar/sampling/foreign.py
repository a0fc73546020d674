"""Models of other programs and runs: a foreign model as a run, or loaded as it lies; a run in a foreign format."""

import shutil
from pathlib import Path

import torch

from alphabar import build, interop
from alphabar.diffusion import Denoiser
from alphabar.errors import AlphabarError
from alphabar.files import outputs, sha256_of
from alphabar.interop import Portable, Request
from alphabar.registry import look_up
from alphabar.runs import checkpoint
from alphabar.runs.model import DataPlace, LoadedModel, find, load_checkpoint
from alphabar.runs.origin import without_place
from alphabar.sampling.export import check_free, rounded, without_places, written

RECORD = "imported"
"""The entry of a checkpoint's state for what came along with a foreign model."""


def import_run(request: Request, run: Path, name: str) -> Portable:
    """Write the run directory `run` with the model of a foreign file or folder, whole or not at all; returns the model.

    name: what the file is called in the run. AlphabarError if `run` exists, or if the model cannot be sampled here.
    """
    check_free(run, "import to")
    outputs.check_folder(run, "--run")
    model = readable(request)
    state = {
        "step": model.step,
        "image_facts": model.facts.model_dump(mode="json"),
        "config": model.config.model_dump(mode="json"),
        RECORD: {"source": name, **model.record},
    }
    written(run, model.config, model.step, {model.weights: dict(model.tensors)}, state)
    return model


def readable(request: Request) -> Portable:
    """The model of a foreign file or folder; AlphabarError if it cannot be sampled here."""
    model = interop.read(request)
    _denoiser(model)  # says what cannot be
    return model


def load_foreign(request: Request, name: Path, device: torch.device, place: DataPlace) -> LoadedModel:
    """The model of a foreign file or folder, without a run."""
    model = interop.read(request)
    denoiser = _denoiser(model)
    network = denoiser.network
    assert isinstance(network, torch.nn.Module)
    build.place(network, device).eval().requires_grad_(False)
    return LoadedModel(
        path=name,
        denoiser=denoiser,
        config=model.config,
        facts=model.facts,
        step=model.step,
        weights=model.weights,
        sha256=sha256_of_weights(request.path),
        device=device,
        place=place,
    )


def _denoiser(model: Portable) -> Denoiser:
    network = build.network(model.config, model.facts)
    network.load_state_dict(dict(model.tensors))
    return build.denoiser(model.config, network)


def sha256_of_weights(path: Path) -> str:
    """The sha256 of the file, or of a folder's largest file, which is that of the weights."""
    file = path
    if path.is_dir():
        file = max((each for each in path.rglob("*") if each.is_file()), key=lambda each: each.stat().st_size)
    return sha256_of(file)


def export_to(
    run: Path, out: Path, target: str, weights: str = "ema", dtype: str = "float32", step: int | str | None = None
) -> tuple[Path, list[str]]:
    """Write a run's model to `out` in the format `target`, whole or not at all; see `interop.TARGETS`.

    Returns the file of the weights, and the lines for a person. AlphabarError if `out` exists, or if the format has no
    such model.
    """
    write = look_up(interop.TARGETS, target, "export format")
    check_free(out, "export to")
    outputs.check_folder(out, "folder")
    model = checkpoint.retried(lambda: _portable(find(run, step), weights, dtype))
    if target != "safetensors" and model.config.network.name != "unet":
        raise AlphabarError(
            f"The format {target} has U-Nets, and this network is {model.config.network.name}; use --to safetensors."
        )
    temporary = out.with_name(f".{out.name}-unfinished")
    try:
        _removed(temporary)
        path, lines = write(model, temporary)
        temporary.rename(out)
    except OSError as error:
        raise AlphabarError(f"{out} cannot be written ({error.strerror or error}).") from None
    finally:
        _removed(temporary)
    return out / path.relative_to(temporary), [line.replace(str(temporary), str(out)) for line in lines]


def _removed(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _portable(saved: checkpoint.Checkpoint, weights: str, dtype: str) -> Portable:
    model = load_checkpoint(saved, saved.path, weights)
    record = saved.state.get(RECORD)
    return Portable(
        config=without_places(model.config),
        facts=model.facts,
        tensors={key: rounded(key, tensor, dtype) for key, tensor in model.tensors().items()},
        step=model.step,
        record=without_place(record) if isinstance(record, dict) else {},
    )
