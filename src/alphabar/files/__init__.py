"""Files: written whole, read with care, and replaced only if alphabar wrote them."""

from alphabar.files.whole import (
    atomic_file,
    cache_folder,
    digest,
    inside,
    open_regular,
    read_json,
    sha256_of,
    sweep,
    write_json,
)

__all__ = [
    "atomic_file",
    "cache_folder",
    "digest",
    "inside",
    "open_regular",
    "read_json",
    "sha256_of",
    "sweep",
    "write_json",
]
