"""How files are written whole: the only module that knows."""

import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from alphabar.errors import AlphabarError


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A binary file that appears under `path` when the block ends well, and not at all otherwise.

    A storage error becomes an AlphabarError; whatever was at `path` before is then still there.
    """
    beside = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with beside.open("xb") as file:
            try:
                yield file
                file.close()
                beside.replace(path)
            except BaseException:
                beside.unlink()
                raise
    except OSError as error:
        raise AlphabarError(f"Cannot write {path}: {error.strerror or error}.") from error


def inside(folder: Path, name: object) -> Path:
    """folder/name, for a name that a file states; AlphabarError unless it is one plain name, which stays inside."""
    if not isinstance(name, str) or name in ("", ".", "..") or name != Path(name).name or "\0" in name:
        raise AlphabarError(f"{name!r} is not the name of a file in {folder}.")
    return folder / name


def write_json(path: Path, value: Any) -> None:
    """`value` as an indented JSON file, written whole."""
    with atomic_file(path) as file:
        file.write(json.dumps(value, indent=1).encode())


def digest(value: Any) -> str:
    """The sha256 of a JSON value, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def cache_folder(name: str) -> Path:
    """The folder `name` of alphabar's cache, in XDG_CACHE_HOME or ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "alphabar" / name
