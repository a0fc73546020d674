"""The files of an archive (zip, tar, Parquet): names are checked, and contents are what was claimed, or an error."""

import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from alphabar.data import parquet, tarball
from alphabar.data.files import UnreadableError, open_regular, printable
from alphabar.errors import AlphabarError

SUFFIXES = (".zip", *tarball.SUFFIXES, *parquet.SUFFIXES)

_LONGEST_NAME = 255  # bytes, the limit of most file systems
_LONGEST_PATH = 4000
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Member:
    """A file of an archive, not yet read. link: another file that it is the same as."""

    path: PurePosixPath
    size: int
    open: Callable[[], IO[bytes]]
    link: PurePosixPath | None = None


def is_archive(path: Path) -> bool:
    """Whether a path is of Parquet tables, by its names; or a zip archive, or a tar archive that is not empty, by its
    content."""
    return bool(parquet.tables(path)) or _is_zip(path) or tarball.is_tar(path)


def files(path: Path) -> list[Path]:
    """The files that an archive consists of: itself, or the tables in a folder."""
    return parquet.tables(path) or [path]


def members(path: Path) -> Iterator[Member]:
    """The files of an archive; UnreadableError for a name, a link or a kind of file that is not safe."""
    if parquet.tables(path):
        return _in_tables(path)
    return _in_zip(path) if _is_zip(path) else _in_tar(path)


def contents(path: Path, member: Member) -> Iterator[bytes]:
    """The contents of a file of an archive; UnreadableError if they are damaged, or not as long as claimed."""
    left = member.size
    try:
        with member.open() as file:
            while left and (chunk := file.read(min(_CHUNK, left))):
                left -= len(chunk)
                yield chunk
            if left or file.read(1):
                raise ValueError("it does not have the size that is claimed")
    except AlphabarError:
        raise
    except Exception as error:  # damaged archives raise almost anything
        reason = printable(str(error))[:200] or type(error).__name__
        raise UnreadableError(path, f"its {printable(str(member.path))} cannot be unpacked ({reason})") from error


def _in_tables(path: Path) -> Iterator[Member]:
    for row in parquet.rows(path):
        yield Member(_safe(path, row.path), len(row.content), partial(io.BytesIO, row.content))


def _is_zip(path: Path) -> bool:
    with open_regular(path) as file:
        return zipfile.is_zipfile(file)


def _in_tar(path: Path) -> Iterator[Member]:
    with tarball.opened(path) as archive:
        for item in archive:
            name = _safe(path, item.name)
            if item.isdir():
                continue
            _check_file_name(path, name)
            if not (item.isreg() or item.islnk() or item.issym()):
                raise UnreadableError(path, f"its {printable(item.name)} is a device or a pipe, not a file")
            link = None
            if item.islnk():
                link = _safe(path, item.linkname)
            elif item.issym():
                link = _safe(path, os.path.normpath(f"{name.parent}/{item.linkname}"), item.linkname)
            yield Member(name, 0 if link else item.size, partial(_tar_file, archive, item), link)


def _tar_file(archive: tarfile.TarFile, item: tarfile.TarInfo) -> IO[bytes]:
    file = archive.extractfile(item)
    assert file is not None  # it is a regular file
    return file


def _in_zip(path: Path) -> Iterator[Member]:
    with open_regular(path) as file:
        try:
            archive = zipfile.ZipFile(file)
            items = archive.infolist()
        except Exception as error:  # a damaged index raises almost anything
            raise UnreadableError(path, f"it is not a complete zip archive ({printable(str(error))[:200]})") from error
        for item in items:
            name = _safe(path, item.filename.replace("\\", "/"))
            kind = stat.S_IFMT(item.external_attr >> 16)
            if item.filename.endswith(("/", "\\")) or kind == stat.S_IFDIR:
                continue
            _check_file_name(path, name)
            if item.flag_bits & 1:
                raise UnreadableError(path, f"its {printable(item.filename)} is encrypted")
            member = Member(name, item.file_size, partial(archive.open, item))
            if kind == stat.S_IFLNK:
                if item.file_size > _LONGEST_PATH:
                    raise UnreadableError(path, f"its {printable(item.filename)} is a link with too long a name")
                target = os.fsdecode(b"".join(contents(path, member)))
                link = _safe(path, os.path.normpath(f"{name.parent}/{target}"), target)
                member = replace(member, size=0, link=link)
            elif kind not in (0, stat.S_IFREG):
                raise UnreadableError(path, f"its {printable(item.filename)} is a device or a pipe, not a file")
            yield member


def _safe(path: Path, name: str, given: str = "") -> PurePosixPath:
    """The path of a file below the folder where an archive is unpacked; UnreadableError if it would lie elsewhere."""
    inside = PurePosixPath(name)
    if inside.is_absolute() or given.startswith("/") or ".." in inside.parts or ":" in (inside.parts or ("",))[0]:
        raise UnreadableError(path, f"it names the file {printable(given or name)}, outside of its own folder")
    if (
        "\0" in name
        or any(len(os.fsencode(part)) > _LONGEST_NAME for part in inside.parts)
        or len(name) > _LONGEST_PATH
    ):
        raise UnreadableError(path, f"it has a file with a name that no file can have: {printable(name)[:60]}...")
    return inside


def _check_file_name(path: Path, name: PurePosixPath) -> None:
    if not name.parts:
        raise UnreadableError(path, "it has a file without a name")
