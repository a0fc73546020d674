"""Weights of extractors: told by their sha256, read as plain tensors, and never able to run code."""

import hashlib
import io
from importlib.resources.abc import Traversable
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from alphabar.errors import AlphabarError


def verified(path: Path, sha256: str) -> bytes:
    """What one particular file holds; AlphabarError for any other."""
    packed = _contents(path)
    if (found := _digest(packed)) != sha256:
        raise AlphabarError(
            f"{path} is not the file of weights that is needed here: its sha256 is {found}, and should be {sha256}."
        )
    return packed


def known(path: Path, sha256: str) -> dict[str, Tensor]:
    """The tensors of one particular torch file; of any other, nothing is interpreted."""
    state: dict[str, Tensor] = torch.load(io.BytesIO(verified(path, sha256)), map_location="cpu", weights_only=True)
    return state


def fill(network: nn.Module, path: Path | Traversable) -> str:
    """Load a safetensors file into `network` and return its sha256; AlphabarError if it is another network's."""
    packed = _contents(path)
    try:
        state = safetensors.torch.load(packed)
    except SafetensorError as error:
        raise AlphabarError(f"{path} is damaged, or no safetensors file: {error}.") from None
    given = {name: tuple(tensor.shape) for name, tensor in state.items()}
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    if wrong := sorted(name for name in given.keys() | shapes.keys() if given.get(name) != shapes.get(name)):
        raise AlphabarError(
            f"{path} holds the weights of another network: '{wrong[0]}' should be "
            f"{shapes.get(wrong[0], 'absent')}, and is {given.get(wrong[0], 'absent')}."
        )
    network.load_state_dict(state)
    return _digest(packed)


def _contents(path: Path | Traversable) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise AlphabarError(f"Cannot read the weights {path}: {error.strerror or error}.") from None


def _digest(packed: bytes) -> str:
    return hashlib.sha256(packed).hexdigest()
