"""Checkpoints: folders that are complete or do not exist.

`step-00001000/` holds tensors as safetensors and everything else as JSON. It is written under a temporary name, synced,
and renamed when complete; `manifest.json`, with the sha256 of every file, is written last. Nothing in it can run code.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from alphabar.errors import AlphabarError
from alphabar.files import inside

MANIFEST = "manifest.json"
STATE = "state.json"


@dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint: its folder, its state.json (step, images, config ...), and the sha256 of each file."""

    path: Path
    state: dict[str, Any]
    sha256: Mapping[str, str]

    def tensors(self, name: str) -> dict[str, Tensor]:
        """The tensors of `name`.safetensors, on the CPU."""
        try:
            return load_file(inside(self.path, f"{name}.safetensors"))
        except (OSError, SafetensorError) as error:
            raise AlphabarError(f"The checkpoint {self.path} has no readable '{name}' weights: {error}.") from None

    def names(self) -> list[str]:
        """The names of the files of tensors."""
        return sorted(Path(name).stem for name in self.sha256 if name.endswith(".safetensors"))


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
    return sorted((path for path in folder.glob("step-*") if is_one(path)), key=step_of)


def is_one(path: Path) -> bool:
    """Whether `path` is named like a checkpoint (copies under other names are left alone)."""
    return re.fullmatch(r"step-\d{8,}", path.name) is not None


def step_of(path: Path) -> int:
    """The training step in a checkpoint's name."""
    return int(path.name.removeprefix("step-"))


def latest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint, verified; None if there is none."""
    paths = steps(folder)
    return read(paths[-1]) if paths else None


def read(path: Path) -> Checkpoint:
    """The checkpoint at `path`; AlphabarError unless every file in it has the sha256 that its manifest gives."""
    try:
        expected: dict[str, str] = json.loads((path / MANIFEST).read_text())["files"]
        bad = [name for name, digest in expected.items() if _sha256(inside(path, name)) != digest]
        state = json.loads((path / STATE).read_text())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _corrupt(path, str(error)) from None
    if bad or STATE not in expected:
        raise _corrupt(path, f"{bad[0] if bad else STATE} is not what was written")
    if not isinstance(state, dict) or state.get("step") != step_of(path) or isinstance(state["step"], bool):
        raise _corrupt(path, f"{STATE} does not state the step of its folder")
    return Checkpoint(path, state, expected)


def prune(folder: Path, keep: int, spared: int | None = None) -> None:
    """Remove all but the newest `keep` checkpoints and step `spared`, and the incomplete folders of killed runs."""
    old = [path for path in steps(folder)[:-keep] if step_of(path) != spared]
    for path in [*old, *folder.glob(".tmp-*"), *folder.glob(".trash-*")]:
        _discard(path)


def _corrupt(path: Path, why: str) -> AlphabarError:
    older = [other for other in steps(path.parent) if step_of(other) < step_of(path)]
    remedy = f"delete that folder to resume from {older[-1].name}" if older else "there is no older one to resume from"
    return AlphabarError(f"The checkpoint {path} is corrupt ({why}); {remedy}.")


def _discard(path: Path) -> None:
    trash = path.with_name(f".trash-{path.name.removeprefix('.trash-')}")
    if path != trash:
        shutil.rmtree(trash, ignore_errors=True)
        path.rename(trash)  # out of sight at once, however long the removal takes
    shutil.rmtree(trash, ignore_errors=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
