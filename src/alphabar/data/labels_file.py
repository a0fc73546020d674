"""Files beside images that say their classes: StyleGAN's and EDM's `dataset.json`, Hugging Face's `metadata.csv`."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from alphabar.data.classes import normal
from alphabar.data.files import UnreadableError, open_regular, printable, read_whole
from alphabar.data.listing import Listing

_LARGEST = 256_000_000  # bytes; five million labels
_MOST_CLASSES = 1 << 20


@dataclass(frozen=True)
class Labels:
    """The class of each image, by its path; empty if the images have none."""

    by_image: Mapping[Path, str]
    unused: int
    """The number of labels of images that do not exist."""
    file: str
    """The name of the file that says them."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, sorted as numbers if all are numbers, else by their bytes."""
        names = set(self.by_image.values())
        if all(name.isascii() and name.isdecimal() and len(name) < 10 for name in names):
            return tuple(sorted(names, key=lambda name: (int(name), name)))
        return tuple(sorted(names, key=lambda name: name.encode("utf-8", "surrogatepass")))


def listed_labels(root: Path, part: Path, listing: Listing) -> Labels | None:
    """The labels of the images in the folder `part` of `root`, by their paths in that folder.

    The file lies in `part` or above it, and names the images from where it lies. None if there is no such file.
    UnreadableError if it is malformed, or an image has no label.
    """
    for folder in (part, *part.parents):
        for name, read in _READERS.items():
            if folder / name in listing.others and (labels := _read(root / folder / name, read)) is not None:
                return _of_images(labels, root / folder / name, part.relative_to(folder), listing.below(folder))
    return None


def _of_images(labels: dict[str, str], file: Path, part: Path, listing: Listing) -> Labels:
    """The labels of the images in `part`, of those that the file says of the images in `listing`."""
    images = listing.below(part).images
    classes = {path: labels.get(_key((part / path).as_posix())) for path in images}
    if labels and None in classes.values():
        missing = [path for path, label in classes.items() if label is None]
        raise UnreadableError(
            file,
            f"it has no label for {len(missing):,} of {len(images):,} images, such as "
            f"{printable(missing[0].as_posix())}",
        )
    known = {_key(path.as_posix()) for path in listing.images}
    by_image = {path: label for path, label in classes.items() if label is not None}
    return Labels(by_image, sum(name not in known for name in labels), file.name)


def _key(name: str) -> str:
    """The one spelling of a path in a file of labels."""
    return normal(PurePosixPath(name).as_posix())


def _read(path: Path, read: Callable[[Path, bytes], Iterable[tuple[str, str]] | None]) -> dict[str, str] | None:
    """Image -> class; empty if the images have none, and None if the file is about something else."""
    with open_regular(path) as file:
        data = read_whole(file, _LARGEST)
    if len(data) > _LARGEST:
        raise UnreadableError(path, f"it has more than {_LARGEST / 1e6:g} MB")
    if (entries := read(path, data)) is None:
        return None
    labels: dict[str, str] = {}
    for name, label in entries:
        if labels.setdefault(_key(name), label) != label:
            raise UnreadableError(
                path, f"it has two labels for {printable(name)[:200]}: {labels[_key(name)][:100]} and {label[:100]}"
            )
    return labels


def _dataset_json(path: Path, data: bytes) -> Iterable[tuple[str, str]] | None:
    """{"labels": [["0/1.png", 3], ...]}; {"labels": null} means no classes."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(path, f"it is not JSON ({printable(str(error))[:100]})") from error
    if not isinstance(content, dict) or "labels" not in content:
        return None
    entries = content["labels"]
    if entries is None:
        return ()
    if not isinstance(entries, list) or not all(map(_is_entry, entries)):
        wrong = entries if not isinstance(entries, list) else next(entry for entry in entries if not _is_entry(entry))
        shown = printable(json.dumps(wrong))[:60]
        raise UnreadableError(path, f'its labels must be a list of ["image.png", class number]; it has {shown}')
    return ((name, str(number)) for name, number in entries)


def _metadata_csv(path: Path, data: bytes) -> Iterable[tuple[str, str]] | None:
    """The columns file_name and label; None without both, and if no image has a label."""
    header = data.split(b"\n", 1)[0]
    if b"file_name" not in header or b"label" not in header:
        return None
    try:
        rows = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        columns = [column.strip() for column in next(rows)]
        if not {"file_name", "label"} <= set(columns):
            return None
        name, label = columns.index("file_name"), columns.index("label")
        entries = [(row[name], row[label]) for row in rows if len(row) > max(name, label) and row[name]]
    except (UnicodeError, csv.Error) as error:
        raise UnreadableError(path, f"it is not CSV in UTF-8 ({printable(str(error))[:100]})") from None
    return [(image, name) for image, name in entries if name.strip()] or None


_READERS = {"dataset.json": _dataset_json, "metadata.csv": _metadata_csv}
"""The first of them that is there says the classes."""


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, list)
        and len(entry) == 2
        and isinstance(entry[0], str)
        and type(entry[1]) is int
        and 0 <= entry[1] < _MOST_CLASSES
    )
