"""Opens untrusted files safely: only regular files, with a reason if it fails and a printable form of the name."""

import io
import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from alphabar.data.options import DataOptions
from alphabar.errors import AlphabarError
from alphabar.files import cache_folder

_CHUNK = 1 << 20


class Readable(Protocol):
    """A file to read bytes from."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes, none at the end."""
        ...


class UnreadableError(AlphabarError):
    """A file cannot be used. `reason` says why without naming the file, for callers that skip it and continue."""

    def __init__(self, path: Path, reason: str) -> None:
        self.reason = printable(reason)  # it may quote the file
        super().__init__(f"Cannot use {shown(path)}: {self.reason}.")


HOLD_OUT = "train with data.holdout=0.1, which makes one of a tenth of them"
"""How to come to a test split where there is none."""
PUBLISHED_SPLITS = ("train", "test")
"""The splits of the published data sets."""


class NoSplitError(AlphabarError):
    """The data set is readable but does not have the requested split."""


def shown(path: Path) -> str:
    """`path` as text that is safe in a terminal and in JSON."""
    return printable(os.fsencode(path).decode("utf-8", "backslashreplace"))


def printable(text: str) -> str:
    """Text from a file, safe in a terminal and in JSON: control characters and lone surrogates are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def open_regular(path: Path) -> io.BufferedReader:
    """Opens a regular file for reading; raises UnreadableError for anything else (opening a FIFO would hang)."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UnreadableError(path, "it is a folder" if path.is_dir() else "it is not a regular file")
        return _Sized(io.FileIO(path))
    except FileNotFoundError:
        raise UnreadableError(
            path, "it is a broken symbolic link" if path.is_symlink() else "there is no such file"
        ) from None
    except OSError as error:
        raise UnreadableError(path, (error.strerror or str(error)).lower()) from None


class _Sized(io.BufferedReader):
    """A file that takes memory for what it holds, not for what is asked for: readers believe the sizes in headers."""

    def __init__(self, raw: io.FileIO) -> None:
        super().__init__(raw)
        self._size = os.fstat(raw.fileno()).st_size

    def read(self, size: int | None = -1) -> bytes:
        return super().read(size if size is None or size < _CHUNK else min(size, max(self._size - self.tell(), 0)))


def read_whole(file: Readable, most: int) -> bytes:
    """All bytes of a file, or `most` + 1 if it has more; memory is taken only for what is there."""
    chunks, left = [], most + 1
    while left > 0 and (chunk := file.read(min(_CHUNK, left))):
        chunks.append(chunk)
        left -= len(chunk)
    return b"".join(chunks)


def exists(path: Path) -> bool:
    """Whether `path` exists and may be accessed."""
    try:
        return path.exists()
    except OSError:
        return False


def places(name: str, options: DataOptions, others: Iterable[Path] = ()) -> list[Path]:
    """The folders to search for a published data set, in order.

    others: further folders. Relative ones are searched below `data_root` (torchvision's layout, for example), absolute
        ones last.
    """
    own = [options.path] if options.path else []
    below = [Path(), Path(name), *(path for path in others if not path.is_absolute())]
    root = [options.data_root / path for path in below] if options.data_root else []
    return [*own, *root, cache_folder(name), *(path for path in others if path.is_absolute())]


def check_split(what: str, options: DataOptions, have: Sequence[str] = ("train",)) -> None:
    """Raises NoSplitError unless the requested split is one of those that the source called `what` has."""
    if options.split not in have:
        remedy = f"; {HOLD_OUT}" if options.split == "test" and have == ("train",) else ""
        raise NoSplitError(
            f"{what} has no '{options.split}' split: its images are all in data.split={' or '.join(have)}{remedy}."
        )
