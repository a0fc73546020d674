"""A folder for the files that the page offers to download, which keeps the newest of them."""

import itertools
import shutil
from collections import deque
from pathlib import Path
from threading import Lock

MOST = 200
"""Files that are kept; the browser has its copy of older ones."""


class Shelf:
    """Folders with a file each, in a temporary folder of the server."""

    def __init__(self, root: Path, most: int = MOST) -> None:
        self._root, self._most = root, most
        self._places: deque[Path] = deque()
        self._numbers, self._lock = itertools.count(), Lock()

    def place(self) -> Path:
        """A new empty folder; the oldest ones are removed."""
        with self._lock:
            path = self._root / f"{next(self._numbers):08d}"
            path.mkdir(parents=True)
            self._places.append(path)
            while len(self._places) > self._most:
                shutil.rmtree(self._places.popleft(), ignore_errors=True)
        return path
