"""Checks that a data set fits into memory before it is decoded; one that does not is packed, and read from disk."""

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from alphabar.errors import AlphabarError
from alphabar.images import Size

SHARE = 0.5  # the largest share of the machine's memory that one data set may take
DEFLATE_RATIO = 1100  # the most that gzip and zip can shrink data, about
_CGROUP = Path("/sys/fs/cgroup/memory.max")


def machine_bytes() -> int:
    """The bytes of memory that this process may use: the machine's, or its container's limit if that is lower."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not a POSIX system: the size is unknown, so nothing is refused
        total = 1 << 62
    try:
        limit = _CGROUP.read_text().strip()
    except OSError:
        return total
    return min(total, int(limit)) if limit.isdigit() else total


class DoesNotFitError(AlphabarError):
    """A data set is too large for the memory."""


def fits(need: int) -> bool:
    """Whether so many bytes of data are kept in memory."""
    return need <= int(machine_bytes() * SHARE)


def check_bytes(what: str, need: int, advice: str = "use a smaller set") -> None:
    """DoesNotFitError if `need` bytes are more than SHARE of the memory. `what` names the data in the error."""
    if not fits(need):
        room = int(machine_bytes() * SHARE)
        raise DoesNotFitError(
            f"{what} does not fit into memory: it takes {in_bytes(need)} of at most {in_bytes(room)}; {advice}."
        )


def empty(what: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """An array to be filled; AlphabarError, which names `what`, if it does not fit into memory."""
    need = math.prod(shape) * np.dtype(dtype).itemsize
    check_bytes(what, need)
    try:
        return np.empty(shape, dtype)
    except MemoryError:
        raise AlphabarError(f"{what} does not fit into the memory that is free: it takes {in_bytes(need)}.") from None


def check_memory(what: str, count: int, size: Size, channels: int) -> None:
    """DoesNotFitError if a uint8 array (count, channels, *size) is too large; the error names a size that fits."""
    room = int(machine_bytes() * SHARE) // (count * channels)  # pixels per image
    smaller = [side for side in (512, 256, 128, 64, 32, 16, 8) if side * side <= min(room, size[0] * size[1])]
    advice = f"data.image_size={smaller[0]} with data.resize=crop would fit" if smaller else "use fewer images"
    shape = f"{what} ({count:,} images of {size[0]}x{size[1]}x{channels})"
    check_bytes(shape, count * channels * size[0] * size[1], advice)


def in_bytes(count: int) -> str:
    """A number of bytes as text: "47.0 MB", "3.2 GB"."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
