"""Tar archives, packed or not, read once from front to back without trusting their headers."""

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from alphabar.data.files import Readable, UnreadableError, open_regular, printable
from alphabar.errors import AlphabarError

SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2", ".tbz")

_CHUNK = 1 << 20


class _Forward:
    """A stream for tarfile: it never goes back but by a byte, and gives no more at once than a sane header needs.

    tarfile reads the long names of members in one piece, whatever length is claimed, and steps back by a byte to see
    that the one before a header exists; a packed stream would start anew for that.
    """

    def __init__(self, file: Readable) -> None:
        self._file = file
        self._place = 0
        self._last = b""
        self._is_back = False

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _CHUNK:
            raise tarfile.ReadError(f"a header claims {size:,} bytes")
        start = self._last if self._is_back and size else b""
        self._is_back = self._is_back and not size
        data = start
        while len(data) < size and (part := self._file.read(size - len(data))):
            data += part
        self._place += len(data)
        self._last = data[-1:] or self._last
        return data

    def tell(self) -> int:
        return self._place

    def seek(self, place: int) -> int:
        if place == self._place - 1 and self._last and not self._is_back:
            self._place, self._is_back = place, True
        if place < self._place:
            raise tarfile.ReadError("it would have to be read backwards")
        while self._place < place and self.read(min(_CHUNK, place - self._place)):
            pass
        return self._place


@contextmanager
def opened(path: Path) -> Iterator[tarfile.TarFile]:
    """An archive, to be iterated over once; whatever goes wrong with it is an UnreadableError."""
    with open_regular(path) as file:
        try:
            with tarfile.open(fileobj=_Forward(_unpacked(file)), mode="r:") as archive:  # type: ignore[call-overload]
                yield archive
        except AlphabarError:
            raise
        except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError, ValueError, RecursionError) as error:
            reason = printable(str(error))[:200] or type(error).__name__
            raise UnreadableError(path, f"it is not a complete tar archive ({reason})") from error


def is_tar(path: Path) -> bool:
    """Whether a file is a tar archive with a member, by its content."""
    try:
        with opened(path) as archive:
            return archive.next() is not None
    except AlphabarError:
        return False


def _unpacked(file: BinaryIO) -> Readable:
    magic = file.read(6)
    file.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=file)
    if magic.startswith(b"BZh"):
        return bz2.BZ2File(file)
    if magic == b"\xfd7zXZ\0":
        return lzma.LZMAFile(file)
    return file
