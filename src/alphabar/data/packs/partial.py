"""A pack that is being written: what is finished survives a kill, and is not decoded again."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from alphabar.data.contents import Levels
from alphabar.data.files import printable, shown
from alphabar.data.packs.origin import Picture
from alphabar.data.packs.record import FORMAT, IMAGES, NUMBER, STORED, Part, file_of
from alphabar.data.survey import Skipped
from alphabar.errors import AlphabarError
from alphabar.files import json_lines

CLASSES = "classes"
"""The file of the labels as the origin numbers them; -1 for none."""
_PROGRESS = "progress.jsonl"
_LONGEST = 150  # characters of a name or a reason that are kept


@dataclass
class Written:
    """What of one split of the pack is written."""

    parts: list[Part] = field(default_factory=list)
    levels: Levels | None = None
    transparent: int = 0

    @property
    def count(self) -> int:
        """The number of images."""
        return sum(part.count for part in self.parts)


@dataclass
class Taken:
    """How far a split of the origin was read, and what of it cannot be used."""

    items: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    done: bool = False


class Partial:
    """The folder of an unfinished pack. It belongs to one origin, and has one writer."""

    def __init__(self, folder: Path, digest: str, shape: tuple[int, int, int]) -> None:
        self.folder, self._bytes = folder, shape[0] * shape[1] * shape[2]
        self.written: dict[str, Written] = {}
        self.taken: dict[str, Taken] = {}
        header = {"format": FORMAT, "origin": digest, "shape": list(shape)}
        rows = json_lines.rows(folder / _PROGRESS)
        try:
            if rows[:1] != [header]:
                raise ValueError("it is of other images")
            for row in rows[1:]:
                self._replay(row)
            self._cut()
        except (ValueError, KeyError, TypeError, AttributeError):  # or somebody edited it
            self.written, self.taken = {}, {}
            for path in folder.iterdir():
                path.unlink()
            json_lines.append(folder / _PROGRESS, header)

    def resumed(self) -> int:
        """The number of images that an earlier process wrote, or this one."""
        return sum(split.count for split in self.written.values())

    def commit(self, split: str, shard: "Shard", done: bool) -> None:
        """Write the images of a shard, which was read from the split `split` of the origin."""
        added = {}
        for name, part in shard.parts.items():
            pixels = np.stack([picture.pixels for picture in part]).tobytes()
            labels = np.array([picture.label for picture in part], "<i8").tobytes()
            stored = np.array([picture.stored for picture in part], "<i8").tobytes()
            for what, raw in ((IMAGES, pixels), (CLASSES, labels), (STORED, stored)):
                _append(file_of(self.folder, name, what), raw)
            levels = [picture.traits.levels for picture in part if picture.traits is not None]
            added[name] = {
                "count": len(part),
                "sha256": sha256(pixels).hexdigest(),
                "levels": asdict(Levels.of(levels)) if levels else None,
                "transparent": sum(picture.traits.transparent for picture in part if picture.traits is not None),
            }
        skipped = [[printable(os.fspath(each.path))[-_LONGEST:], each.reason[:_LONGEST]] for each in shard.skipped]
        row = {"split": split, "items": shard.items, "added": added, "skipped": skipped, "done": done}
        json_lines.append(self.folder / _PROGRESS, row)
        self._replay(row)

    def _replay(self, row: dict[str, Any]) -> None:
        taken = self.taken.setdefault(row["split"], Taken())
        taken.items += row["items"]
        taken.done = row["done"]
        taken.skipped += [Skipped(Path(name), reason) for name, reason in row["skipped"]]
        for name, added in row["added"].items():
            split = self.written.setdefault(name, Written())
            split.parts.append(Part(count=added["count"], sha256=added["sha256"]))
            split.transparent += added["transparent"]
            if added["levels"] is not None:
                levels = Levels(**added["levels"])
                split.levels = levels if split.levels is None else Levels.of((split.levels, levels))

    def _cut(self) -> None:
        """Cut off what was written after the last finished shard; start again if something before it is missing."""
        sizes = {IMAGES: self._bytes, CLASSES: NUMBER, STORED: NUMBER}
        for name in ("train", "val", "test"):
            for what, each in sizes.items():
                path, size = file_of(self.folder, name, what), each * self.written.get(name, Written()).count
                have = path.stat().st_size if path.exists() else 0
                if have < size:
                    raise ValueError("something before it is missing")
                if have > size:
                    os.truncate(path, size)


@dataclass
class Shard:
    """Images that are written together, by the split of the pack that they go to."""

    parts: dict[str, list[Picture]] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    items: int = 0

    def add(self, item: Picture | Skipped, split: str) -> None:
        """Take one more."""
        self.items += 1
        if isinstance(item, Skipped):
            self.skipped.append(item)
        else:
            self.parts.setdefault(split, []).append(item)


@contextmanager
def locked(folder: Path, wait: bool) -> Iterator[None]:
    """A new or existing folder that no other process writes into meanwhile; AlphabarError if one does.

    wait: whether to wait for it instead.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise AlphabarError(f"Another process is packing into {shown(folder)}; wait for it.") from None
        folder.mkdir(exist_ok=True)  # the other one may have renamed it
        yield


def remove(folder: Path) -> None:
    """Remove an unfinished pack, and its lock."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.with_name(f"{folder.name}.lock").unlink(missing_ok=True)


def _append(path: Path, raw: bytes) -> None:
    with path.open("ab") as file:
        _write(file, raw)


def _write(file: BinaryIO, raw: bytes) -> None:
    file.write(raw)
    file.flush()
    os.fsync(file.fileno())
