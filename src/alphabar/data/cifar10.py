"""CIFAR-10: 50,000 training and 10,000 test images, RGB, 32x32, in ten classes (Krizhevsky 2009).

The files are those of the published "python version".
"""

import hashlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import torch

from alphabar.data import tarball
from alphabar.data.classes import repeated
from alphabar.data.download import obtain
from alphabar.data.files import (
    PUBLISHED_SPLITS,
    NoSplitError,
    UnreadableError,
    check_split,
    exists,
    open_regular,
    places,
    printable,
    read_whole,
    shown,
)
from alphabar.data.fit import Pixels, fitted
from alphabar.data.image_set import ImageSet
from alphabar.data.memory import check_bytes
from alphabar.data.options import DataOptions
from alphabar.data.unpickle import unpickle
from alphabar.errors import AlphabarError
from alphabar.files import cache_folder

FOLDER = "cifar-10-batches-py"
ARCHIVE = "cifar-10-python.tar.gz"
URL = f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

_META = "batches.meta"
_FIRST = 100  # members of an archive that are looked at
_MOST_CLASSES = 1 << 20
_LONGEST_NAME = 200
_ARCHIVE_SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
_MD5 = {  # as published with the data set
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}


def cifar10(options: DataOptions) -> ImageSet:
    """60,000 small photographs, 32x32, RGB (Krizhevsky).

    Reads `path`, a folder or an archive of CIFAR-10 batches. Without `path`, searches the usual folders or downloads
    the published archive, and verifies the checksums.
    """
    check_split("CIFAR-10", options, PUBLISHED_SPLITS)
    source = options.path if options.path is not None else _published(options)
    batches = _batches(source)
    names = sorted(batches) if options.path is not None else _MD5
    prefix = "data_batch_" if options.split == "train" else "test_batch"
    names_of_split = [name for name in names if name.startswith(prefix)]
    if options.path is None:
        for name in names_of_split:
            _verify(source, name, batches.get(name, b""))
    if not names_of_split:
        raise NoSplitError(f"{shown(source)} has no CIFAR-10 batch for split '{options.split}'.")
    parts = [_parsed(source, name, batches[name]) for name in names_of_split]
    images, labels = np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
    return ImageSet(
        name="cifar10",
        **fitted(images, options, shown(source)),
        labels=torch.from_numpy(labels),
        class_names=_class_names(source, batches) if options.path is not None else CLASSES,
        source=shown(source),
    )


def holds_cifar10(path: Path) -> Path | None:
    """The CIFAR-10 folder or archive at `path` or directly inside it; None if there is none."""
    if path.is_file():
        return path if path.name.lower().endswith(tarball.SUFFIXES) and _begins_with_batches(path) else None
    candidates = (path / "data_batch_1", path / FOLDER / "data_batch_1", path / ARCHIVE)
    match = next((candidate for candidate in candidates if exists(candidate)), None)
    return match if match is None or match.name == ARCHIVE else match.parent


def _published(options: DataOptions) -> Path:
    folders = places("cifar10", options)
    source = next((source for source in map(holds_cifar10, folders) if source is not None), None)
    if source is not None:
        return source
    target = cache_folder("cifar10") / ARCHIVE
    obtain([URL], target, _verify_archive, options, folders, f"Put {URL} into one of these folders.")
    return target


def _batches(source: Path) -> dict[str, bytes]:
    """File name -> contents of each batch in a folder or an archive. An archive is read in memory, not unpacked."""
    source = holds_cifar10(source) or source
    batches: dict[str, bytes] = {}
    for name, size, file in _in_folder(source) if source.is_dir() else _in_archive(source):
        if name in batches:
            raise UnreadableError(source, f"it has two files called {name}")
        check_bytes(shown(source), size + sum(map(len, batches.values())))
        batches[name] = read_whole(file, size)
    return batches


def _in_folder(source: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    for path in sorted(source.iterdir()):
        if _is_batch(path.name):
            with open_regular(path) as file:
                yield path.name, path.stat().st_size, file


def _in_archive(source: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    with tarball.opened(source) as archive:
        for member in archive:
            name = member.name.rpartition("/")[2]
            if member.isreg() and _is_batch(name) and (file := archive.extractfile(member)):
                yield name, member.size, file


def _begins_with_batches(path: Path) -> bool:
    """Whether one of the first files of an archive is a batch; the published one has it second."""
    try:
        with tarball.opened(path) as archive:
            return any(_is_batch(member.name.rpartition("/")[2]) for member in islice(archive, _FIRST))
    except AlphabarError:
        return False


def _is_batch(name: str) -> bool:
    return name.startswith("data_batch_") or name in ("test_batch", _META)


def _verify(source: Path, name: str, content: bytes) -> None:
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if md5 != _MD5[name]:
        raise UnreadableError(source, f"its {name} has md5 {md5[:12]}..., but the published file {_MD5[name][:12]}...")


def _verify_archive(path: Path) -> None:
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != _ARCHIVE_SHA256:
            raise UnreadableError(path, "its sha256 is not that of the published file")


def _parsed(source: Path, name: str, content: bytes) -> tuple[Pixels, npt.NDArray[np.int64]]:
    """The images uint8 (N, 32, 32, 3) and labels (N,) of one batch. A stored row has 1024 red, green, blue values."""
    record = _record(source, name, content)
    data, labels = record.get("data"), record.get("labels")
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != 3072:
        raise UnreadableError(source, f"'data' in its {name} is not a uint8 array (N, 3072)")
    if len(data) == 0:
        raise UnreadableError(source, f"its {name} has no images")
    if not isinstance(labels, list) or len(labels) != len(data) or not all(map(_is_label, labels)):
        raise UnreadableError(source, f"'labels' in its {name} is not a list of {len(data)} classes 0, 1, 2 ...")
    return data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), np.array(labels, np.int64)


def _is_label(label: object) -> bool:
    return type(label) is int and 0 <= label < _MOST_CLASSES


def _class_names(source: Path, batches: dict[str, bytes]) -> tuple[str, ...]:
    if _META not in batches:
        return CLASSES
    names = _record(source, _META, batches[_META]).get("label_names")
    if not isinstance(names, list) or not all(isinstance(name, bytes | str) and name for name in names):
        raise UnreadableError(source, f"'label_names' in its {_META} is not a list of names")
    texts = [name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else name for name in names]
    printed = tuple(map(printable, texts))
    if same := repeated(printed):
        raise UnreadableError(source, f"its {_META} has two classes called {same[0]:.60}")
    if long := [name for name in printed if len(name) > _LONGEST_NAME]:
        raise UnreadableError(source, f"its {_META} has a class whose name is {len(long[0]):,} letters long")
    return printed


def _record(source: Path, name: str, content: bytes) -> dict[str, Any]:
    try:
        return unpickle(content)
    except AlphabarError as error:
        raise UnreadableError(source, f"its {name} is refused: {error}") from error
