"""How files are written whole, and read with care: the only module that knows."""

import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

from alphabar.errors import AlphabarError
from alphabar.files import json_text

_UNFINISHED = re.compile(r"\.[0-9a-f]{16}\.tmp")
_JSON = 1 << 24  # bytes; no JSON file of ours is larger


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A binary file that appears under `path` when the block ends well, and not at all otherwise.

    A storage error becomes an AlphabarError; whatever was at `path` before is then still there.
    """
    try:
        beside, file = _locked_beside(path)
        with file:
            try:
                yield file
                file.close()
                beside.replace(path)
            except BaseException:
                beside.unlink()
                raise
    except OSError as error:
        raise AlphabarError(f"Cannot write {path}: {error.strerror or error}.") from error


def _locked_beside(path: Path) -> tuple[Path, BinaryIO]:
    """A new file beside `path`, locked until it is closed, so that `sweep` leaves it alone."""
    while True:
        beside = path.with_name(f".{secrets.token_hex(8)}.tmp")
        file = beside.open("xb")
        with suppress(OSError):  # a file system without locks, where `sweep` removes nothing
            fcntl.flock(file, fcntl.LOCK_EX)
        if beside.exists():
            return beside, file
        file.close()  # a sweep came between the two calls, and removed it


def sweep(folder: Path) -> None:
    """Remove what killed processes left unfinished in `folder`; files that are still being written stay."""
    for path in folder.glob(".*.tmp"):
        if not _UNFINISHED.fullmatch(path.name):
            continue
        try:
            with open_regular(path) as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
        except OSError:
            continue  # it is being written, or another process was quicker


def open_regular(path: Path) -> BufferedReader:
    """Opens a regular file for reading; OSError for anything else, which might never end, or block."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return os.fdopen(handle, "rb")


def read_json(path: Path) -> Any:
    """The value in a JSON file, which may say anything; OSError if it cannot be read, ValueError if it is no JSON."""
    with open_regular(path) as file:
        raw = file.read(_JSON + 1)
    if len(raw) > _JSON:
        raise ValueError(f"it is larger than {_JSON:,} bytes")
    return json_text.parsed(raw)


def inside(folder: Path, name: object) -> Path:
    """folder/name, for a name that a file states; AlphabarError unless it is one plain name, which stays inside."""
    if not isinstance(name, str) or name in ("", ".", "..") or name != Path(name).name or "\0" in name:
        raise AlphabarError(f"{name!r} is not the name of a file in {folder}.")
    return folder / name


def write_json(path: Path, value: Any) -> None:
    """`value` as an indented JSON file, written whole."""
    with atomic_file(path) as file:
        file.write(json.dumps(value, indent=1).encode())


def sha256_of(path: Path) -> str:
    """The sha256 of a regular file, in hex; OSError if it cannot be read."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(value: Any) -> str:
    """The sha256 of a JSON value, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def cache_folder(name: str) -> Path:
    """The folder `name` of alphabar's cache, in XDG_CACHE_HOME or ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "alphabar" / name
