"""Files of foreign weights -> tensors. No file can run code: a pickle is looked through before PyTorch reads it."""

import pickletools
import zipfile
from collections.abc import Iterator, Mapping
from io import BufferedReader
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from alphabar.errors import AlphabarError
from alphabar.files import open_regular
from alphabar.terminal import printable

SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")
"""The suffixes of files of weights."""
_PICKLE = 1 << 26  # bytes; the pickle of a released checkpoint has a few hundred thousand
_OPERATIONS = 5_000_000
_KINDS = ("Float", "Half", "BFloat16", "Double", "Long", "Int", "Short", "Byte", "Bool")
_NEEDED = {
    ("torch._utils", "_rebuild_tensor_v2"), ("torch._utils", "_rebuild_tensor"), ("torch._utils", "_rebuild_parameter"),
    ("collections", "OrderedDict"), ("torch", "Size"), *(("torch", f"{kind}Storage") for kind in _KINDS),
}  # fmt: skip
"""What the pickle of a dictionary of tensors names."""
_OPTIMIZER = {"state", "param_groups"}


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name, on the CPU; AlphabarError, with the reason, if it holds anything else."""
    try:
        with open_regular(path) as file:
            head = file.read(8)
    except OSError as error:
        raise AlphabarError(f"{path} cannot be read ({error.strerror or error}).") from None
    return _safetensors(path) if path.suffix == ".safetensors" else _pickled(path, head)


def metadata(path: Path) -> dict[str, str]:
    """What a file of safetensors says beside its tensors; nothing of another file."""
    if path.suffix != ".safetensors" or not path.is_file():
        return {}
    try:
        with safe_open(path, "pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError):
        return {}


def _safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise AlphabarError(
            f"{path} is no whole file of safetensors ({printable(str(error)):.200}); fetch it again."
        ) from None


def _pickled(path: Path, head: bytes) -> dict[str, Tensor]:
    _look(path, is_zip=head[:2] == b"PK")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file raises almost anything
        reason = printable(str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__)
        raise AlphabarError(f"{path} is no whole file of PyTorch's tensors ({reason:.200}); fetch it again.") from None
    return _state_dict(content, path)


def _state_dict(content: Any, path: Path) -> dict[str, Tensor]:
    """The dictionary of tensors that a file holds, or holds as its only one."""
    if isinstance(content, Mapping) and content.keys() >= _OPTIMIZER:
        raise AlphabarError(f"{path}: this is the optimizer's state; take ema_*.pt, or model*.pt, which lie beside it.")
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping) or not content:
        raise AlphabarError(f"{path} holds a {type(content).__name__}; weights are a dictionary of tensors.")
    for name, value in content.items():
        if not isinstance(value, Tensor) or not isinstance(name, str):
            raise AlphabarError(
                f"{path} holds {printable(str(name)):.60}, which is a {type(value).__name__} and no tensor; weights "
                "are a dictionary of tensors alone."
            )
    return {name: value.detach() for name, value in content.items()}


def _look(path: Path, is_zip: bool) -> None:
    """AlphabarError if a pickle in the file names anything but what tensors need. Nothing of it is run."""
    try:
        for data in _pickles_in_zip(path) if is_zip else _first_pickles(path):
            for module, name in _named(data):
                if (module, name) not in _NEEDED:
                    raise AlphabarError(
                        f"{path} would run code: its pickle calls {printable(f'{module}.{name}'):.100}, which tensors "
                        "do not need. Nothing was run; ask for the weights as safetensors."
                    )
    except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile, UnicodeDecodeError) as error:
        if isinstance(error, AlphabarError):
            raise
        raise AlphabarError(
            f"{path} is no whole file of PyTorch's tensors ({printable(str(error)):.200}); fetch it again."
        ) from None


def _pickles_in_zip(path: Path) -> Iterator[bytes]:
    with zipfile.ZipFile(path) as archive:
        members = [info for info in archive.infolist() if info.filename.endswith(".pkl")]
        if not members:
            raise ValueError("the archive holds no data.pkl")
        for info in members:
            if info.file_size > _PICKLE:
                raise ValueError(f"{info.filename} has {info.file_size:,} bytes")
            yield archive.read(info)


def _first_pickles(path: Path) -> Iterator[bytes]:
    """The pickles of a file before PyTorch 1.6: magic number, version, system, content, keys; then raw values."""
    with open_regular(path) as file:
        for _ in range(5):
            yield _one(file)


def _one(file: BufferedReader) -> bytes:
    """The bytes of the pickle at this place of the file, which is left behind it."""
    start = file.tell()
    for count, _ in enumerate(pickletools.genops(file)):
        if count > _OPERATIONS or file.tell() - start > _PICKLE:
            raise ValueError("its pickle is too long")
    end = file.tell()
    file.seek(start)
    return file.read(end - start)


def _named(data: bytes) -> Iterator[tuple[str, str]]:
    """What a pickle looks up by name: (module, name)."""
    texts: list[str] = []  # what STACK_GLOBAL may find on the stack
    for count, (operation, argument, _) in enumerate(pickletools.genops(data)):
        if count > _OPERATIONS:
            raise ValueError("its pickle is too long")
        if operation.name in ("GLOBAL", "INST"):
            module, _, name = str(argument).partition(" ")
            yield module, name
        elif operation.name == "STACK_GLOBAL":
            yield (texts[-2], texts[-1]) if len(texts) > 1 else ("?", "?")
        elif operation.name in ("EXT1", "EXT2", "EXT4"):
            yield "?", "an extension"
        elif isinstance(argument, str):
            texts.append(argument)
