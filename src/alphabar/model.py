"""A run or a checkpoint -> a model that can be sampled: nothing about it has to be said again."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from alphabar import build, checkpoint
from alphabar import config as c
from alphabar.diffusion import Denoiser
from alphabar.errors import AlphabarError
from alphabar.run import Run, described


@dataclass(frozen=True)
class Model:
    """A trained network, how it is to be read, and which one it is."""

    denoiser: Denoiser
    config: c.Config
    facts: c.ImageFacts
    step: int
    weights: str


def load_model(
    path: Path | str, weights: str = "ema", device: torch.device | str = "cpu", step: int | None = None
) -> Model:
    """The model of a run directory or of one of its checkpoints.

    weights: 'ema' (the first rate), 'raw', or 'ema-RATE'; step: which checkpoint, the newest if None.
    """
    found = _find(Path(path), step)
    config, facts = described(found)
    name = {"raw": "network", "ema": f"ema-{config.training.ema_rates[0]}"}.get(weights, weights)
    choices = [n for n in found.names() if n.startswith("ema-")]
    if name != "network" and name not in choices:
        raise AlphabarError(f"{found.path} has no weights '{weights}'; choose one of: ema, raw, {', '.join(choices)}.")
    network = build.network(config, facts)
    _load_weights(network, found, name)
    build.place(network, device).eval().requires_grad_(False)
    return Model(
        build.denoiser(config, network), config, facts, found.state["step"], "raw" if weights == "raw" else name
    )


def _find(path: Path, step: int | None) -> checkpoint.Checkpoint:
    if not path.is_dir():
        raise AlphabarError(f"There is no run at {path}; `alphabar train` makes one and says where.")
    if checkpoint.is_one(path):
        if step is not None:
            raise AlphabarError(f"{path} is one checkpoint already; name the run directory to choose with --step.")
        return checkpoint.read(path)
    folder = Run(path).checkpoints
    if step is None:
        found = checkpoint.latest(folder)
        if found is None:
            raise AlphabarError(
                f"{path} holds no checkpoint; a run has its first one after training.checkpoint_every steps."
            )
        return found
    there = {checkpoint.step_of(p): p for p in checkpoint.steps(folder)}
    if step not in there:
        raise AlphabarError(
            f"{path} holds no checkpoint of step {step}; there are: {', '.join(map(str, there)) or 'none'}."
        )
    return checkpoint.read(there[step])


def _load_weights(network: nn.Module, found: checkpoint.Checkpoint, name: str) -> None:
    try:
        network.load_state_dict(found.tensors(name))
    except RuntimeError as error:
        raise AlphabarError(f"The weights '{name}' in {found.path} do not fit its own config: {error}.") from None
