"""Checkpoints: folders that are complete or do not exist.

`step-00001000/` holds tensors as safetensors and everything else as JSON. It is written under a temporary name, synced,
and renamed when complete; `manifest.json`, with the sha256 of every file, is written last. Nothing in it can run code.
"""

import contextlib
import itertools
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from alphabar.errors import AlphabarError, StorageError
from alphabar.files import inside, open_regular, read_json, sha256_of
from alphabar.runs import space
from alphabar.runs.naming import is_one, step_of, steps
from alphabar.runs.tensor_file import CorruptError, TensorFile, Vanished, reading

MANIFEST = "manifest.json"
STATE = "state.json"
__all__ = [
    "Checkpoint", "CorruptError", "Vanished", "is_one", "latest", "newest_good", "prune", "read", "retried", "save",
    "step_of", "steps",
]  # fmt: skip
T = TypeVar("T")
_LOOKS = 100
"""How often to look for a checkpoint that a training does not remove meanwhile."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint: its folder, its state.json (step, images, config ...), and the sha256 that each file must have.

    The state is verified, and so are the tensors of a file when they are read.
    """

    path: Path
    state: dict[str, Any]
    sha256: Mapping[str, str]

    @contextlib.contextmanager
    def opened(self, name: str) -> Iterator[TensorFile]:
        """The file of tensors `name`.safetensors, which can be read to its end even if it is removed meanwhile."""
        file = f"{name}.safetensors"
        sha256 = _stated(self.path, file, self.sha256)
        with reading(self.path):
            handle = open_regular(inside(self.path, file))
        with handle:
            yield TensorFile(self.path, name, sha256, handle)

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
        with reading(self.path):
            for file in self.sha256:
                _verify(self.path, file, self.sha256)
        return self


def save(folder: Path, step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]) -> Path:
    """Write folder/step-XXXXXXXX, whole or not at all; StorageError if that fails. Returns its path."""
    final = folder / f"step-{step:08d}"
    temporary = folder / f".tmp-{final.name}-{os.getpid()}"
    try:
        shutil.rmtree(temporary, ignore_errors=True)  # of a killed process with our number
        folder.mkdir(parents=True, exist_ok=True)
        space.check(folder, tensors)
        temporary.mkdir()
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
        manifest = {"files": {path.name: sha256_of(path) for path in files}}
        (temporary / MANIFEST).write_text(json.dumps(manifest, indent=1))
        _sync(temporary / MANIFEST)
        _sync(temporary)
        temporary.rename(final)
        _sync(folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        why = getattr(error, "strerror", None) or error
        untouched = "; earlier ones are untouched" if steps(folder) else ""
        raise StorageError(f"The checkpoint {final} could not be written: {why}{untouched}.") from None
    return final


def model_alone(saved: Checkpoint) -> str | None:
    """The word exported or imported, if the checkpoint lacks the state that training needs; else None."""
    kinds = {"exported_from": "exported", "imported": "imported"}
    return next((kind for entry, kind in kinds.items() if entry in saved.state), None)


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


def newest_good(folder: Path, say: Callable[[str], None], strict: bool = False) -> Checkpoint | None:
    """The newest checkpoint of which every file is what was written; None if there is none at all.

    Corrupt ones that are newer are renamed, so that nothing takes them for checkpoints, and `say` gets a line about
    each; nothing is deleted. AlphabarError if all are corrupt, or if one cannot be read. strict: CorruptError if the
    newest is.
    """
    bad: list[CorruptError] = []
    for path in reversed(steps(folder)):
        try:
            good = read(path).verify()
        except CorruptError as error:
            if strict:
                raise
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
    with reading(path):
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


def _verify(path: Path, file: str, sha256: Mapping[str, str]) -> None:
    """CorruptError unless the file has the sha256 that the manifest gives."""
    if sha256_of(inside(path, file)) != _stated(path, file, sha256):
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


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
