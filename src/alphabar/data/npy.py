"""Reads arrays of NumPy's file format without trusting their headers: a size is checked before memory is taken."""

import math
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import numpy.lib.format as layout
import numpy.typing as npt

from alphabar.data.files import Readable
from alphabar.data.memory import empty

MAGIC = b"\x93NUMPY"

_LARGEST_SIDE = 1 << 40
_LONGEST_HEADER = 10_000  # bytes, as NumPy limits it
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Header:
    """The shape and type of a stored array, and the number of bytes of the header."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    is_column_major: bool
    length: int

    @property
    def size(self) -> int:
        """The bytes of the values."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{self.dtype} {self.shape}"


def read_header(file: IO[bytes]) -> Header:
    """The header at the beginning of a file; ValueError with the reason if it is no array of plain numbers."""
    version = layout.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"its version of NumPy's format is {version[0]}.{version[1]}, not 1.0 or 2.0")
    counted = _Counted(file)
    read = layout.read_array_header_1_0 if version == (1, 0) else layout.read_array_header_2_0
    try:
        shape, is_column_major, dtype = read(counted)  # type: ignore[arg-type]
    except ValueError:
        raise
    except Exception:  # a malformed header, which is Python's text of a dictionary, raises almost anything
        raise ValueError("its header is malformed") from None
    if dtype.kind not in "biufSU" or dtype.itemsize == 0:
        raise ValueError(f"its type is {str(dtype)[:60]}, not numbers")
    if len(shape) > 32 or not all(type(side) is int and 0 <= side < _LARGEST_SIDE for side in shape):
        raise ValueError("its header has a shape that no array has")
    return Header(shape, dtype, is_column_major, layout.MAGIC_LEN + counted.count)


def read_values(file: IO[bytes], header: Header, what: str) -> npt.NDArray[Any]:
    """The values after the header; `what` names them if they do not fit into memory. ValueError if they end early."""
    values = empty(what, (math.prod(header.shape),), header.dtype)
    fill(file, values)
    return values.reshape(header.shape, order="F" if header.is_column_major else "C")


def fill(file: Readable, values: npt.NDArray[Any]) -> None:
    """Fills an array with the bytes of a file, which must have exactly as many; ValueError if it has not."""
    view = values.view(np.uint8).data if values.size else memoryview(b"")
    done = 0
    while done < len(view):
        chunk = file.read(min(_CHUNK, len(view) - done))
        if not chunk:
            raise ValueError(f"its header declares {len(view):,} bytes of values, but it has only {done:,}")
        view[done : done + len(chunk)] = chunk
        done += len(chunk)
    if file.read(1):
        raise ValueError(f"its header declares {len(view):,} bytes of values, but it has more")


class _Counted:
    """A file that counts the bytes read, and gives no more than a header may have."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.count = 0

    def read(self, size: int) -> bytes:
        if size > _LONGEST_HEADER:
            raise ValueError("its header is longer than NumPy writes")
        data = self.file.read(size)
        self.count += len(data)
        return data
