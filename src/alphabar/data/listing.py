"""Lists the image files of a folder, and derives classes from its sub-folders."""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from alphabar.data.decode import SUFFIXES

_JUNK = ("__MACOSX",)  # skipped, like hidden files and folders


@dataclass(frozen=True)
class Listing:
    """The files of a folder. `images` are relative to it and sorted by their bytes, the same order on every machine."""

    images: tuple[Path, ...]
    others: Counter[str]  # the number of other files, by suffix
    closed: tuple[Path, ...]  # folders that could not be read


def list_images(root: Path) -> Listing:
    """All images below `root`. Links to folders are followed, but each folder is read once, so a loop of links ends."""
    images: list[Path] = []
    others: Counter[str] = Counter()
    closed: list[Path] = []
    seen: set[tuple[int, int]] = set()
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            status = folder.stat()
            entries = sorted(folder.iterdir())
        except OSError:
            closed.append(folder.relative_to(root))
            continue
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        for path in entries:
            if path.name.startswith(".") or path.name in _JUNK:
                continue
            if _is_folder(path):
                waiting.append(path)
            elif path.suffix.lower() in SUFFIXES:
                images.append(path.relative_to(root))
            else:
                others[path.suffix.lower() or "no suffix"] += 1
    return Listing(tuple(sorted(images, key=os.fsencode)), others, tuple(closed))


def class_folders(images: tuple[Path, ...]) -> tuple[str, ...]:
    """The sorted class names: the sub-folders, if there are at least two and they directly hold *all* images."""
    if any(len(path.parts) != 2 for path in images):
        return ()
    names = sorted({path.parts[0] for path in images}, key=os.fsencode)
    return tuple(names) if len(names) > 1 else ()


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a loop of links
        return False
