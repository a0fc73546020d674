"""The C library's allocator, told to keep the memory of a step for the next one."""

import ctypes
import os
from functools import cache

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT = 2**30
"""Bytes of free memory above which some is given back."""
MAPPED = 2**25
"""Bytes above which a block is mapped for itself, and given back when it is freed: the most that glibc takes."""
VARIABLES = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_", "GLIBC_TUNABLES")


@cache
def keep_memory() -> bool:
    """Let glibc keep what is freed, for the next step; returns whether it does so now.

    By default it gives the memory of a step back to the system, which clears it page by page in the next one. Where
    there is another C library, or one of VARIABLES is set, all stays as it is.
    """
    if any(name in os.environ for name in VARIABLES):
        return False
    try:
        libc = ctypes.CDLL(None)
        assert libc.gnu_get_libc_version  # in another C library mallopt may mean something else
        return bool(libc.mallopt(M_MMAP_THRESHOLD, MAPPED) and libc.mallopt(M_TRIM_THRESHOLD, KEPT))
    except (OSError, AttributeError, TypeError):
        return False
