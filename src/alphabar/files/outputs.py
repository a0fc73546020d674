"""The files that alphabar writes for people: only a file that alphabar itself wrote as the same kind is replaced.

Each file carries the mark of its kind, in a place that other programs ignore: the Software entry of a PNG, the comment
of a film or an archive, the metadata of an SVG or of safetensors.
"""

import hashlib
import os
import stat
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from alphabar import distributed
from alphabar.errors import AlphabarError
from alphabar.files import atomic_file, sweep

FIGURE, SAMPLE, GRID, EDIT = "a figure", "a sample", "a grid of samples", "an edit"
SAMPLES, STATISTICS, LATENTS, FILM = "an array of images", "statistics", "latents", "a film"
COMPRESSED, DECOMPRESSED = "compressed images", "a decompressed image"
INSPECTED = "pictures of an inspection"
PICTURES = (".png", ".svg")
"""The suffixes of a figure."""
_REACH = 65536  # bytes at either end of a file in which its mark stands


def mark(kind: str) -> str:
    """The text inside a file that says that alphabar wrote it, and as what."""
    return f"alphabar: {kind}"


def ends(path: Path) -> bytes:
    """The first and the last bytes of a regular file; none of any other, which might never end."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return b""
        with path.open("rb") as file:
            head = file.read(_REACH)
            file.seek(max(len(head), file.seek(0, os.SEEK_END) - _REACH))
            return head + file.read(_REACH)
    except OSError:
        return b""


def is_ours(path: Path, kind: str) -> bool:
    """Whether alphabar wrote the file as this kind."""
    return mark(kind).encode() in ends(path)


def check_folder(folder: Path, option: str = "--out") -> None:
    """AlphabarError for a folder in which nothing may be written: a run's checkpoints."""
    try:
        resolved = folder.resolve()
    except (OSError, RuntimeError) as error:  # a link that leads to itself
        raise AlphabarError(f"{folder} cannot be written ({error}); choose another {option}.") from None
    for place in (resolved, *resolved.parents):
        is_checkpoint = (place / "manifest.json").exists() and (place / "state.json").exists()
        if is_checkpoint or (place.name == "checkpoints" and (place.parent / "config.json").exists()):
            raise AlphabarError(
                f"{folder} lies in the checkpoints of a run, which stay as they are; choose another {option}."
            )


def prepare(folder: Path, option: str = "--out", path: Path | None = None) -> None:
    """Make a folder for outputs; AlphabarError, before the work, if nothing can be written into it.

    path: the output that the sentence names, if it is not the folder itself.
    """
    check_folder(folder, option)
    if not distributed.is_main():
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        sweep(folder)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise AlphabarError(
            f"{path or folder} cannot be written ({error.strerror or error}); choose another {option}."
        ) from None


def check_apart(path: Path, inputs: Collection[Path], option: str = "--out") -> None:
    """AlphabarError if `path` is one of the inputs of the command, by whatever name, or lies inside one."""
    for source in inputs:
        if not source.exists():
            continue
        if path.exists() and path.samefile(source):
            raise AlphabarError(f"This command reads {source}, so {option} cannot be {path}; choose another {option}.")
        if source.is_dir() and path.resolve().is_relative_to(source.resolve()):
            raise AlphabarError(
                f"{path} lies in {source}, whose images this command reads; choose an {option} outside of it."
            )


def check(path: Path, kind: str, inputs: Collection[Path] = (), option: str = "--out") -> None:
    """AlphabarError if the file `path` may not be written as `kind`; call it before the work.

    inputs: the files and folders of images that the command reads.
    """
    check_apart(path, inputs, option)
    check_folder(path.parent, option)
    if os.path.lexists(path) and not is_ours(path, kind):
        raise foreign(path, kind, option)


def numbers_of(picture: Path) -> Path:
    """The file of the numbers of the figure saved as `picture`."""
    return picture.with_suffix(".csv")


def check_figure(picture: Path, inputs: Collection[Path] = ()) -> None:
    """AlphabarError if a figure may not be written as `picture`, or its numbers beside it.

    A CSV file has no place for a mark; it is ours if a figure beside it holds the sha256 of its bytes.
    """
    check(picture, FIGURE, inputs)
    numbers = numbers_of(picture)
    check_apart(numbers, inputs)
    if os.path.lexists(numbers):
        beside = [ends(picture.with_suffix(suffix)) for suffix in {picture.suffix, *PICTURES}]
        sha256 = hashlib.sha256(numbers.read_bytes()).hexdigest().encode() if numbers.is_file() else b"-"
        if not any(mark(FIGURE).encode() in figure and sha256 in figure for figure in beside):
            raise foreign(numbers, "the numbers of this figure")


def foreign(path: Path, kind: str, option: str = "--out") -> AlphabarError:
    """The sentence for a path at which something lies that alphabar did not write as `kind`."""
    if path.is_dir():
        return AlphabarError(f"{path} cannot be written (it is a folder); choose another {option}.")
    return AlphabarError(
        f"{path} exists, and alphabar did not write it as {kind}; choose another {option}, or move it elsewhere."
    )


@contextmanager
def written(path: Path, kind: str) -> Iterator[BinaryIO]:
    """An `atomic_file` that replaces nothing but a file of this kind."""
    check(path, kind)
    with atomic_file(path) as file:
        yield file
