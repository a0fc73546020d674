"""Lists the files of a folder."""

import os
from dataclasses import dataclass
from pathlib import Path

from alphabar.data.decode import SUFFIXES

# What systems leave behind; skipped without a word, like hidden files and folders.
_JUNK = frozenset({"__macosx", "@eadir", "thumbs.db", "desktop.ini", "$recycle.bin", "system volume information"})


@dataclass(frozen=True)
class Listing:
    """The files of a folder. All paths are relative to it and sorted by their bytes, the same on every machine."""

    images: tuple[Path, ...] = ()
    others: tuple[Path, ...] = ()
    """Files that are not images, by their suffixes."""
    folders: tuple[Path, ...] = ()
    closed: tuple[Path, ...] = ()
    """Folders that could not be read."""
    again: tuple[Path, ...] = ()
    """Folders that were listed elsewhere, because of links; they look empty."""

    def below(self, folder: Path) -> "Listing":
        """The part of the listing in one of its folders, relative to that."""

        def inside(paths: tuple[Path, ...]) -> tuple[Path, ...]:
            depth = len(folder.parts)
            return tuple(
                Path(*path.parts[depth:])
                for path in paths
                if path.parts[:depth] == folder.parts and len(path.parts) > depth
            )

        kinds = (self.images, self.others, self.folders, self.closed, self.again)
        return Listing(*map(inside, kinds))


def list_files(root: Path) -> Listing:
    """Everything below `root`. Links to folders are followed, but each folder is read once, so a loop of links ends."""
    images: list[Path] = []
    others: list[Path] = []
    folders: list[Path] = []
    closed: list[Path] = []
    again: list[Path] = []
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
            again.append(folder.relative_to(root))
            continue
        seen.add((status.st_dev, status.st_ino))
        for path in entries:
            if path.name.startswith(".") or path.name.casefold() in _JUNK:
                continue
            if _is_folder(path):
                waiting.append(path)
                folders.append(path.relative_to(root))
            elif path.suffix.lower() in SUFFIXES:
                images.append(path.relative_to(root))
            else:
                others.append(path.relative_to(root))
    return Listing(*(tuple(sorted(paths, key=os.fsencode)) for paths in (images, others, folders, closed, again)))


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a loop of links
        return False
