"""Checkpoints: folders that are complete or do not exist.

`step-00001000/` holds tensors as safetensors and everything else as JSON. It is written under a temporary name, synced,
and renamed when complete; `manifest.json`, with the sha256 of every file, is written last. Nothing in it can run code.
"""

import contextlib
import errno
import hashlib
import itertools
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from alphabar.errors import AlphabarError
from alphabar.files import inside, open_regular, read_json

FLOATS = ("F16", "BF16", "F32", "F64")
WHOLE = ("I64",)
"""The types of weights and of counts, as safetensors calls them."""
MANIFEST = "manifest.json"
STATE = "state.json"
T = TypeVar("T")
_HEADER = 1 << 23  # bytes; no list of tensors of ours is longer
_LOOKS = 100
"""How often to look for a checkpoint that a training does not remove meanwhile."""


class Vanished(AlphabarError):
    """A checkpoint was there and is gone: the training that wrote it has newer ones."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint: its folder, its state.json (step, images, config ...), and the sha256 that each file must have.

    The state is verified, and so are the tensors of a file when they are read.
    """

    path: Path
    state: dict[str, Any]
    sha256: Mapping[str, str]

    @contextlib.contextmanager
    def opened(self, name: str) -> Iterator["TensorFile"]:
        """The file of tensors `name`.safetensors, which can be read to its end even if it is removed meanwhile."""
        file = f"{name}.safetensors"
        with contextlib.ExitStack() as stack:
            _stated(self.path, file, self.sha256)
            with _reading(self.path):
                handle = stack.enter_context(open_regular(inside(self.path, file)))
            yield TensorFile(self, name, handle)

    def tensors(self, name: str) -> dict[str, Tensor]:
        """The tensors of `name`.safetensors, on the CPU; AlphabarError if they are not what was written."""
        with self.opened(name) as file:
            return file.tensors()

    def fitting(self, name: str, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of `name`.safetensors, which must fit those of `like`: see `TensorFile.fitting`."""
        with self.opened(name) as file:
            return file.fitting(like)

    def names(self) -> list[str]:
        """The names of the files of tensors."""
        return sorted(Path(name).stem for name in self.sha256 if name.endswith(".safetensors"))

    def verify(self) -> "Checkpoint":
        """This checkpoint, with every file in it verified."""
        with _reading(self.path):
            for file in self.sha256:
                _verify(self.path, file, self.sha256)
        return self


@dataclass(frozen=True)
class TensorFile:
    """A file of tensors in a checkpoint, open."""

    checkpoint: Checkpoint
    name: str
    handle: BufferedReader

    @property
    def _place(self) -> Path:
        """A path that leads to the open file, whatever becomes of its name; its name on a system without such paths."""
        place = Path(f"/dev/fd/{self.handle.fileno()}")
        return place if place.exists() else self.checkpoint.path / f"{self.name}.safetensors"

    def tensors(self) -> dict[str, Tensor]:
        """The tensors, on the CPU; AlphabarError if they are not what was written."""
        path, file = self.checkpoint.path, f"{self.name}.safetensors"
        with _reading(path), self._valid():
            self.handle.seek(0)
            if hashlib.file_digest(self.handle, "sha256").hexdigest() != _stated(path, file, self.checkpoint.sha256):
                raise CorruptError(path, f"{file} is not what was written")
            return load_file(self._place)

    def header(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """The type and the shape of each tensor; no tensor is read for it."""
        with _reading(self.checkpoint.path), self._valid():
            self.handle.seek(0)
            if (size := int.from_bytes(self.handle.read(8), "little")) > _HEADER:
                raise SafetensorError(f"it claims a header of {size:,} bytes")
            with safe_open(self._place, "pt") as content:
                slices = {key: content.get_slice(key) for key in content.keys()}  # noqa: SIM118 - no mapping
                return {key: (part.get_dtype(), tuple(part.get_shape())) for key, part in slices.items()}

    def fitting(self, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors, which must be finite and have the names, shapes and kinds of `like`.

        The sizes are compared before a tensor is read. AlphabarError if they do not fit.
        """
        name, path = self.name, self.checkpoint.path
        header, shapes = self.header(), {key: tuple(tensor.shape) for key, tensor in like.items()}
        for key in [*shapes, *header]:
            kind, shape = header.get(key, ("", None))
            if shape != shapes.get(key):
                have, need = (list(size) if size is not None else "none" for size in (shape, shapes.get(key)))
                raise AlphabarError(
                    f"The weights '{name}' in {path} do not fit its own config: {key} is {have}, not {need}."
                )
            kinds = FLOATS if like[key].is_floating_point() else WHOLE
            if kind not in kinds:
                raise AlphabarError(f"'{key}' of {name} in {path} is of type {kind}; it must be {' or '.join(kinds)}.")
        tensors = self.tensors()
        if wrong := [key for key, tensor in tensors.items() if not bool(tensor.isfinite().all())]:
            raise AlphabarError(
                f"'{wrong[0]}' of {name} in {path} is not finite, so the training had diverged; choose an earlier "
                "checkpoint with --step."
            )
        return tensors

    @contextlib.contextmanager
    def _valid(self) -> Iterator[None]:
        try:
            yield
        except SafetensorError as error:
            raise CorruptError(self.checkpoint.path, f"{self.name}.safetensors: {error}") from None


def save(folder: Path, step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]) -> Path:
    """Write folder/step-XXXXXXXX, whole or not at all; AlphabarError if that fails. Returns its path."""
    final = folder / f"step-{step:08d}"
    temporary = folder / f".tmp-{final.name}-{os.getpid()}"
    try:
        shutil.rmtree(temporary, ignore_errors=True)  # of a killed process with our number
        temporary.mkdir(parents=True)
        for name, group in tensors.items():
            save_file(
                {key: t.detach().cpu().contiguous() for key, t in group.items()}, temporary / f"{name}.safetensors"
            )
        (temporary / STATE).write_text(json.dumps(state, indent=1))
        for path in temporary.iterdir():
            path.chmod((temporary / STATE).stat().st_mode)  # safetensors lets its owner alone read a file
        files = sorted(temporary.iterdir())
        for path in files:
            _sync(path)
        manifest = {"files": {path.name: _sha256(path) for path in files}}
        (temporary / MANIFEST).write_text(json.dumps(manifest, indent=1))
        _sync(temporary / MANIFEST)
        _sync(temporary)
        temporary.rename(final)
        _sync(folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        untouched = "; earlier ones are untouched" if steps(folder) else ""
        raise AlphabarError(f"The checkpoint {final} could not be written: {error}{untouched}.") from None
    return final


def steps(folder: Path) -> list[Path]:
    """The checkpoints in `folder`, oldest first, not verified."""
    return sorted((path for path in folder.glob("step-*") if is_one(path) and path.is_dir()), key=step_of)


def is_one(path: Path) -> bool:
    """Whether `path` is named like a checkpoint (copies under other names are left alone)."""
    return re.fullmatch(r"step-(\d{8}|[1-9]\d{8,})", path.name, re.ASCII) is not None


def step_of(path: Path) -> int:
    """The training step in a checkpoint's name."""
    return int(path.name.removeprefix("step-"))


def latest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint; None if there is none. Looks again if a training removes it meanwhile."""

    def look() -> Checkpoint | None:
        paths = steps(folder)
        return read(paths[-1]) if paths else None

    return retried(look)


def retried(work: Callable[[], T]) -> T:
    """What `work` returns, which is done again as long as a training removes the checkpoint that it reads."""
    for _ in range(_LOOKS):
        with contextlib.suppress(Vanished):
            return work()
    return work()


def newest_good(folder: Path, say: Callable[[str], None]) -> Checkpoint | None:
    """The newest checkpoint of which every file is what was written; None if there is none at all.

    Corrupt ones that are newer are renamed, so that nothing takes them for checkpoints, and `say` gets a line about
    each; nothing is deleted. AlphabarError if all are corrupt, or if one cannot be read.
    """
    bad: list[CorruptError] = []
    for path in reversed(steps(folder)):
        try:
            good = read(path).verify()
        except CorruptError as error:
            bad.append(error)
            continue
        for corrupt in bad:
            aside = _set_aside(corrupt.path)
            say(f"{corrupt.path} is corrupt ({corrupt.why}) and is called {aside.name} now; {good.path.name} is used")
        return good
    if bad:
        raise bad[0]
    return None


def read(path: Path) -> Checkpoint:
    """The checkpoint at `path`, whose state is verified. CorruptError unless it is what was written."""
    with _reading(path):
        try:
            manifest = read_json(path / MANIFEST)
            expected = manifest["files"]
            if not isinstance(expected, dict) or not all(isinstance(value, str) for value in expected.values()):
                raise ValueError("it does not list files")
            for name in expected:
                inside(path, name)
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptError(path, f"{MANIFEST}: {error}") from None
        _verify(path, STATE, expected)
        try:
            state = read_json(path / STATE)
        except ValueError as error:
            raise CorruptError(path, f"{STATE}: {error}") from None
    if not isinstance(state, dict) or type(state.get("step")) is not int or state["step"] != step_of(path):
        raise CorruptError(path, f"{STATE} does not state the step of its folder")
    return Checkpoint(path, state, expected)


def prune(folder: Path, keep: int, spared: int | None = None) -> None:
    """Remove all but the newest `keep` checkpoints and step `spared`, and the incomplete folders of killed runs."""
    old = [path for path in steps(folder)[:-keep] if step_of(path) != spared]
    for path in [*old, *folder.glob(".tmp-*"), *folder.glob(".trash-*")]:
        _discard(path)


class CorruptError(AlphabarError):
    """A checkpoint is not what was written: `path`, and `why`."""

    def __init__(self, path: Path, why: str) -> None:
        older = [other for other in steps(path.parent) if step_of(other) < step_of(path)]
        remedy = (
            f"name an older one with --step {step_of(older[-1])}, or resume the training, which looks for the newest "
            "good one" if older else "there is no older one"
        )  # fmt: skip
        super().__init__(f"The checkpoint {path} is corrupt ({why}); {remedy}.")
        self.path, self.why = path, why


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turns an OSError on the way into the sentence for it. A file that cannot be read is not corrupt."""
    try:
        yield
    except FileNotFoundError as error:
        if not path.is_dir():
            raise Vanished(f"The checkpoint {path} is gone.") from None
        raise CorruptError(path, f"{Path(error.filename or path).name} is missing") from None
    except OSError as error:
        if error.errno == errno.EINVAL:  # a device, a pipe or a folder in place of a file
            raise CorruptError(path, error.strerror or str(error)) from None
        raise AlphabarError(f"The checkpoint {path} cannot be read: {error.strerror or error}.") from None


def _verify(path: Path, file: str, sha256: Mapping[str, str]) -> None:
    """CorruptError unless the file has the sha256 that the manifest gives."""
    if _sha256(inside(path, file)) != _stated(path, file, sha256):
        raise CorruptError(path, f"{file} is not what was written")


def _stated(path: Path, file: str, sha256: Mapping[str, str]) -> str:
    if file not in sha256:
        raise CorruptError(path, f"{MANIFEST} does not list {file}")
    return sha256[file]


def _set_aside(path: Path) -> Path:
    """The new place of a corrupt checkpoint, under a name that is not taken and that no checkpoint has."""
    aside = path.with_name(f"corrupt-{path.name}")
    for number in itertools.count(2):
        if not os.path.lexists(aside):
            break
        aside = path.with_name(f"corrupt-{path.name}-{number}")
    try:
        return path.rename(aside)
    except OSError as error:
        raise AlphabarError(f"{path} is corrupt and cannot be renamed ({error.strerror or error}).") from None


def _discard(path: Path) -> None:
    trash = path.with_name(f".trash-{path.name.removeprefix('.trash-')}")
    if path != trash:
        shutil.rmtree(trash, ignore_errors=True)
        path.rename(trash)  # out of sight at once, however long the removal takes
    shutil.rmtree(trash, ignore_errors=True)


def _sha256(path: Path) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
