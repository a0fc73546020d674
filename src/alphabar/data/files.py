"""Opening files that strangers made: only regular ones, with a reason where it fails and a printable name."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from alphabar.data.options import DataOptions
from alphabar.errors import AlphabarError
from alphabar.files import cache_folder


class UnreadableError(AlphabarError):
    """One file cannot be used; `reason` says why without naming it, for readers that skip the file and go on."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"Cannot use {shown(path)}: {reason}.")
        self.reason = reason


class NoSplitError(AlphabarError):
    """A source that is whole has no such split."""


def shown(path: Path) -> str:
    """A name fit for a terminal and for JSON: undecodable bytes and control characters are escaped."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def open_regular(path: Path) -> BinaryIO:
    """A regular file, open for reading; raises UnreadableError for any other: opening a FIFO would hang."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UnreadableError(path, "it is a folder" if path.is_dir() else "it is not a regular file")
        return path.open("rb")
    except FileNotFoundError:
        raise UnreadableError(
            path, "the link leads nowhere" if path.is_symlink() else "there is no such file"
        ) from None
    except OSError as error:
        raise UnreadableError(path, (error.strerror or str(error)).lower()) from None


def exists(path: Path) -> bool:
    """Whether something is there that we may look at."""
    try:
        return path.exists()
    except OSError:
        return False


def places(name: str, options: DataOptions, others: Iterable[Path] = ()) -> list[Path]:
    """The folders where a published data set may lie, in the order of search.

    Of `others`, relative ones are meant below `data_root` (torchvision's names, say); absolute ones come last.
    """
    own = [options.path] if options.path else []
    below = [Path(), Path(name), *(path for path in others if not path.is_absolute())]
    root = [options.data_root / path for path in below] if options.data_root else []
    return [*own, *root, cache_folder(name), *(path for path in others if path.is_absolute())]


def only_train(what: str, options: DataOptions) -> None:
    """Raises NoSplitError where a test split is asked of a source that has none."""
    if options.split != "train":
        raise NoSplitError(f"{what} has no '{options.split}' split: its images are all in data.split=train.")
