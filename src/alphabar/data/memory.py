"""Whether a data set fits: alphabar keeps all of it in memory, so it asks before it starts to decode."""

import os
from pathlib import Path

from alphabar.errors import AlphabarError
from alphabar.images import Size

SHARE = 0.5  # of the machine, for one data set
_CGROUP = Path("/sys/fs/cgroup/memory.max")


def machine_bytes() -> int:
    """The memory that this process may use: the machine's, or its container's if that is less."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not a POSIX system: nothing is known, so nothing is refused
        total = 1 << 62
    try:
        limit = _CGROUP.read_text().strip()
    except OSError:
        return total
    return min(total, int(limit)) if limit.isdigit() else total


def check_bytes(what: str, need: int, advice: str = "use a smaller set") -> None:
    """Raises AlphabarError if `need` bytes are more than SHARE of the memory."""
    room = int(machine_bytes() * SHARE)
    if need > room:
        raise AlphabarError(
            f"{what} does not fit: it takes {in_bytes(need)}, and {in_bytes(room)} may be used here; {advice}."
        )


def check_memory(what: str, count: int, size: Size, channels: int) -> None:
    """The same for uint8 (count, channels, *size); the sentence names a size that would fit."""
    room = int(machine_bytes() * SHARE) // (count * channels)  # pixels per image
    smaller = [side for side in (512, 256, 128, 64, 32, 16, 8) if side * side <= min(room, size[0] * size[1])]
    advice = f"data.image_size={smaller[0]} with data.resize=crop would fit" if smaller else "use fewer images"
    shape = f"{what} ({count:,} images of {size[0]}x{size[1]}x{channels})"
    check_bytes(shape, count * channels * size[0] * size[1], advice)


def in_bytes(count: int) -> str:
    """Bytes for people: "47.0 MB", "3.2 GB"."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
