"""A run or a checkpoint -> a model that can be sampled: nothing about it has to be said again."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from alphabar import build
from alphabar import config as c
from alphabar.diffusion import Denoiser
from alphabar.errors import AlphabarError
from alphabar.runs import bundled as shipped
from alphabar.runs import checkpoint
from alphabar.runs.run import Run, described, read_best


@dataclass(frozen=True)
class Model:
    """A trained network, how it is to be read, and which one it is: `weights` of the checkpoint of `step`."""

    denoiser: Denoiser
    config: c.Config
    facts: c.ImageFacts
    step: int
    weights: str
    sha256: str
    """Of the file of weights."""


def load_model(
    path: Path | str, weights: str = "ema", device: torch.device | str = "cpu", step: int | str | None = None
) -> Model:
    """The model of a run directory, of one of its checkpoints, or the one that ships under this name.

    weights: 'ema' (the first rate), 'raw', or 'ema-RATE'; step: which checkpoint, by number or 'best' (of
    [evaluation] best), the newest if None.
    """
    found = find(Path(path), step)
    config, facts = described(found)
    name = weights_name(found, config, weights)
    network = build.network(config, facts)
    _load_weights(network, found, name)
    build.place(network, device).eval().requires_grad_(False)
    return Model(
        denoiser=build.denoiser(config, network),
        config=config,
        facts=facts,
        step=found.state["step"],
        weights="raw" if weights == "raw" else name,
        sha256=found.sha256[f"{name}.safetensors"],
    )


def weights_name(found: checkpoint.Checkpoint, config: c.Config, weights: str) -> str:
    """What the file of `weights` ('ema', 'raw' or 'ema-RATE') is called in a checkpoint, without its suffix."""
    name = {"raw": "network", "ema": f"ema-{config.training.ema_rates[0]}"}.get(weights, weights)
    averages = [n for n in found.names() if n.startswith("ema-")]
    choices = [*(["ema"] if averages else []), *(["raw"] if "network" in found.names() else []), *averages]
    if weights not in choices or name not in found.names():
        raise AlphabarError(f"{found.path} has no weights '{weights}'; choose one of: {', '.join(choices)}.")
    return name


def find(path: Path, step: int | str | None) -> checkpoint.Checkpoint:
    """The checkpoint that a run's path and a step mean; see `load_model`."""
    path = shipped.found(path)
    if checkpoint.is_one(path):
        if step is not None:
            raise AlphabarError(f"{path} is one checkpoint already; name the run directory to choose with --step.")
        return checkpoint.read(path)
    folder = Run(path).checkpoints
    if step is None:
        found = checkpoint.latest(folder)
        if found is None:
            hides = f" It hides the model {path} that ships." if str(path) in shipped.names() else ""
            raise AlphabarError(
                f"{path} holds no checkpoint; a run has its first one after training.checkpoint_every steps.{hides}"
            )
        return found
    there = {checkpoint.step_of(p): p for p in checkpoint.steps(folder)}
    best = read_best(Run(path))
    number = best.step if step == "best" and best else int(step) if str(step).isdecimal() else step
    if number not in there:
        choices = [*map(str, there), *(["best"] if best else [])]
        raise AlphabarError(f"{path} holds no checkpoint of step {step}; there are: {', '.join(choices) or 'none'}.")
    return checkpoint.read(there[int(number)])


def _load_weights(network: nn.Module, found: checkpoint.Checkpoint, name: str) -> None:
    try:
        network.load_state_dict(found.tensors(name))
    except RuntimeError as error:
        raise AlphabarError(f"The weights '{name}' in {found.path} do not fit its own config: {error}.") from None
