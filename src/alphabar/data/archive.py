"""A zip or tar archive of images is unpacked once into the cache, and is a folder from then on.

Nothing in an archive is trusted. What it claims is checked before anything is written: its names, the number of its
files, and their size against the archive's own and the free disk. What it gives is checked against that while it is
written. The folder gets its final name, the sha256 of the archive, only when it is complete.
"""

import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from alphabar.data.files import UnreadableError, open_regular, printable, shown
from alphabar.data.folder import folder
from alphabar.data.image_set import ImageSet
from alphabar.data.members import SUFFIXES, Member, contents, files, is_archive, members
from alphabar.data.memory import in_bytes
from alphabar.data.options import DataOptions
from alphabar.errors import AlphabarError
from alphabar.files import cache_folder, write_json
from alphabar.terminal.progress import progress

_MOST_FILES = 5_000_000
_MOST_RATIO = 100  # unpacked to packed; images hardly shrink
_SMALL = 1 << 30  # bytes that are unpacked whatever the ratio
_BLOCK = 4096  # bytes of disk that a file takes at least
_FREE_SHARE = 0.9  # of the free disk
_OLD = 86_400.0  # seconds after which a half-unpacked folder is a dead process's
_FILES, _CONTENTS = "files", "contents.json"


def archive(options: DataOptions) -> ImageSet:
    """Your own .zip, .tar, .tar.gz, .tar.xz, .tar.bz2 or Parquet of image files, with the layout of a folder."""
    path = options.path
    if path is None:
        raise AlphabarError("data.name=archive needs a .zip, .tar or .parquet of images; set data.path.")
    place = unpacked(path)
    with named_after(path, place):
        return replace(folder(replace(options, path=place)), name=stem(path), source=shown(path))


def stem(path: Path) -> str:
    """The name of an archive without its suffix, for people."""
    suffix = max((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), key=len, default="")
    return printable(path.name[: len(path.name) - len(suffix)] or path.name)


def unpacked(path: Path) -> Path:
    """The folder in the cache that holds the files of an archive; unpacks them if it is not there or not complete."""
    before = _state(path)
    if not is_archive(path):
        raise UnreadableError(path, "it is neither a zip nor a tar archive, and no Parquet table")
    sha256 = _sha256(path)
    place = cache_folder("archives") / sha256
    if not _is_whole(place):
        _unpack(path, place)
        if _state(path) != before:
            shutil.rmtree(place, ignore_errors=True)
            raise UnreadableError(path, "it changed while it was read")
    return place / _FILES


@contextmanager
def named_after(path: Path, place: Path) -> Iterator[None]:
    """Errors about files in `place`, where the archive `path` was unpacked, name the archive instead."""
    try:
        yield
    except AlphabarError as error:
        error.args = (str(error).replace(shown(place), shown(path)),)
        raise


@dataclass
class _Claims:
    """The number of files in an archive and their bytes, as they are claimed or found."""

    files: int = 0
    bytes: int = 0

    def add(self, member: Member) -> None:
        self.files += 1
        self.bytes += member.size

    def check(self, path: Path, room: int) -> None:
        """Raises UnreadableError if they are too much for the archive, and AlphabarError if for the disk."""
        if self.files > _MOST_FILES:
            raise UnreadableError(path, f"it claims more than {_MOST_FILES:,} files")
        packed = _state(path)[0]
        if self.bytes > max(_SMALL, _MOST_RATIO * packed):
            raise UnreadableError(
                path,
                f"it claims {in_bytes(self.bytes)} of files in {in_bytes(packed)}, more than {_MOST_RATIO} times its "
                "size, as no archive of images does",
            )
        need = self.bytes + _BLOCK * self.files
        if need > room:
            raise AlphabarError(
                f"{shown(path)} takes {in_bytes(need)} unpacked, and {shown(cache_folder('archives'))} has room for "
                f"{in_bytes(room)}; make room, or set XDG_CACHE_HOME to a folder on another disk."
            )


def _sha256(path: Path) -> str:
    """The sha256 of an archive's file, in hex; if it has several files, that of their names and hashes."""
    digests = []
    for part in files(path):
        with open_regular(part) as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    if files(path) == [path]:
        return digests[0]
    named = [f"{part.name} {digest}" for part, digest in zip(files(path), digests, strict=True)]
    return hashlib.sha256("\n".join(named).encode("utf-8", "surrogateescape")).hexdigest()


def _state(path: Path) -> tuple[int, int]:
    """The size of the files of an archive, which are regular ones, and when the last of them was changed."""
    sizes, times = [], []
    for part in files(path):
        with open_regular(part) as file:
            status = os.fstat(file.fileno())
            sizes.append(status.st_size)
            times.append(status.st_mtime_ns)
    return sum(sizes), max(times)


def _is_whole(place: Path) -> bool:
    """Whether a folder holds as many files and bytes as were unpacked into it; users and systems tidy caches."""
    try:
        expected = json.loads((place / _CONTENTS).read_text())
        sizes = [file.stat().st_size for file in (place / _FILES).rglob("*") if not file.is_dir()]
    except (OSError, ValueError):
        return False
    return bool(expected == {"files": len(sizes), "bytes": sum(sizes)})


def _unpack(path: Path, place: Path) -> None:
    """Unpacks an archive into the new folder `place`, which appears when it is complete."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        room = int(shutil.disk_usage(place.parent).free * _FREE_SHARE)
    except OSError as error:
        raise AlphabarError(f"Cannot unpack {shown(path)} into {shown(place.parent)}: {error.strerror}.") from error
    _remove_old(place.parent)
    claims = _Claims()
    for member in members(path):
        claims.add(member)
        claims.check(path, room)
    if not claims.files:
        raise UnreadableError(path, "it holds no files")
    beside = place.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        (beside / _FILES).mkdir(parents=True)
        written = _write_all(path, beside / _FILES, claims)
        write_json(beside / _CONTENTS, {"files": written.files, "bytes": written.bytes})
        if not _is_whole(place):  # another process may have been faster
            shutil.rmtree(place, ignore_errors=True)
            beside.rename(place)
    except OSError as error:
        if not _is_whole(place):
            raise AlphabarError(f"Cannot unpack {shown(path)} into {shown(place)}: {error.strerror}.") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _remove_old(folder: Path) -> None:
    """Removes what killed processes left."""
    for left in folder.glob(".*.tmp"):
        if left.stat().st_mtime < time.time() - _OLD:
            shutil.rmtree(left, ignore_errors=True)


def _write_all(path: Path, folder: Path, claims: _Claims) -> _Claims:
    """Writes the files of an archive into a folder, at most as many bytes as were claimed."""
    written, links = _Claims(), []
    with progress(f"Unpacking {shown(Path(path.name))}", claims.bytes) as advance:
        for member in members(path):
            target = folder / member.path
            target.parent.mkdir(parents=True, exist_ok=True)
            if member.link is not None:
                links.append(member)
                continue
            size = 0
            try:
                with target.open("xb") as file:
                    for chunk in contents(path, member):
                        file.write(chunk)
                        size += len(chunk)
                        advance(len(chunk))
            except FileExistsError:
                raise UnreadableError(path, f"it has two files called {printable(str(member.path))}") from None
            written.add(replace(member, size=size))
            if written.files > claims.files or written.bytes > claims.bytes:
                raise UnreadableError(path, "it changed while it was read")
    for member in links:
        assert member.link is not None
        target = folder / member.link
        if not target.is_file():
            raise UnreadableError(
                path,
                f"its {printable(str(member.path))} is a link to {printable(str(member.link))}, which is no file in it",
            )
        os.link(target, folder / member.path)
        written.add(replace(member, size=target.stat().st_size))
    return written
