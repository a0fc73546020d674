"""Loads the weights of extractors: identified by sha256, read as plain tensors, so that no code in them can run."""

import hashlib
import io
from importlib.resources.abc import Traversable
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from alphabar.errors import AlphabarError
from alphabar.files import open_regular


def verified(path: Path, sha256: str) -> bytes:
    """The bytes of the file at `path`; raises AlphabarError unless their hash is `sha256`."""
    packed = _contents(path)
    if (digest := _digest(packed)) != sha256:
        raise AlphabarError(f"{path} is not the expected weights file: its sha256 is {digest}, not {sha256}.")
    return packed


def load_verified(path: Path, sha256: str) -> dict[str, Tensor]:
    """The tensors of a torch file, whose sha256 is checked before it is unpickled; raises AlphabarError."""
    state: dict[str, Tensor] = torch.load(io.BytesIO(verified(path, sha256)), map_location="cpu", weights_only=True)
    return state


def fill(network: nn.Module, path: Path | Traversable) -> str:
    """Loads a safetensors file into `network` and returns its sha256; raises AlphabarError if it does not fit."""
    packed = _contents(path)
    try:
        state = safetensors.torch.load(packed)
    except SafetensorError as error:
        raise AlphabarError(f"{path} is not a safetensors file, or it is damaged: {error}.") from None
    given = {name: tuple(tensor.shape) for name, tensor in state.items()}
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    if wrong := sorted(name for name in given.keys() | shapes.keys() if given.get(name) != shapes.get(name)):
        raise AlphabarError(
            f"{path} has the weights of another network: '{wrong[0]}' should be "
            f"{shapes.get(wrong[0], 'absent')}, but is {given.get(wrong[0], 'absent')}."
        )
    network.load_state_dict(state)
    return _digest(packed)


def _contents(path: Path | Traversable) -> bytes:
    try:
        if not isinstance(path, Path):
            return path.read_bytes()
        with open_regular(path) as file:
            return file.read()
    except OSError as error:
        raise AlphabarError(f"Cannot read the weights {path}: {error.strerror or error}.") from None


def _digest(packed: bytes) -> str:
    return hashlib.sha256(packed).hexdigest()
