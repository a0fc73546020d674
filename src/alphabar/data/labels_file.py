"""`dataset.json`, where StyleGAN and EDM keep the labels of a folder of images: {"labels": [["0/1.png", 3], ...]}."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alphabar.data.files import UnreadableError, open_regular, printable, read_whole
from alphabar.data.listing import Listing

NAME = "dataset.json"

_LARGEST = 256_000_000  # bytes; five million labels
_MOST_CLASSES = 1 << 20


@dataclass(frozen=True)
class Labels:
    """The class of each image, by its path; empty if the images have none."""

    by_image: Mapping[Path, str]
    unused: int
    """The number of labels of images that do not exist."""


def listed_labels(root: Path, part: Path, listing: Listing) -> Labels | None:
    """The labels of the images in the folder `part` of `root`, by their paths in that folder.

    The file lies in `part` or above it, and names the images from where it lies. None if there is no such file.
    UnreadableError if it is malformed, or an image has no label.
    """
    for folder in (part, *part.parents):
        if folder / NAME in listing.others and (labels := _read(root / folder / NAME)) is not None:
            images = listing.below(part).images
            classes = {path: labels.get((part / path).relative_to(folder).as_posix()) for path in images}
            if labels and None in classes.values():
                missing = [path for path, label in classes.items() if label is None]
                raise UnreadableError(
                    root / folder / NAME,
                    f"it has no label for {len(missing):,} of {len(images):,} images, such as "
                    f"{printable(missing[0].as_posix())}",
                )
            known = {path.as_posix() for path in listing.below(folder).images}
            by_image = {path: label for path, label in classes.items() if label is not None}
            return Labels(by_image, sum(name not in known for name in labels))
    return None


def _read(path: Path) -> dict[str, str] | None:
    """Image -> class; empty if the images have none, and None if the file is about something else."""
    with open_regular(path) as file:
        data = read_whole(file, _LARGEST)
    if len(data) > _LARGEST:
        raise UnreadableError(path, f"it has more than {_LARGEST / 1e6:g} MB")
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(path, f"it is not JSON ({printable(str(error))[:100]})") from error
    if not isinstance(content, dict) or "labels" not in content:
        return None
    entries = content["labels"]
    if entries is None:
        return {}
    if not isinstance(entries, list) or not all(map(_is_entry, entries)):
        wrong = entries if not isinstance(entries, list) else next(entry for entry in entries if not _is_entry(entry))
        shown = printable(json.dumps(wrong))[:60]
        raise UnreadableError(path, f'its labels must be a list of ["image.png", class number]; it has {shown}')
    labels: dict[str, str] = {}
    for name, number in entries:
        if labels.setdefault(name, str(number)) != str(number):
            raise UnreadableError(path, f"it has two labels for {printable(name)[:200]}: {labels[name]} and {number}")
    return labels


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, list)
        and len(entry) == 2
        and isinstance(entry[0], str)
        and type(entry[1]) is int
        and 0 <= entry[1] < _MOST_CLASSES
    )
