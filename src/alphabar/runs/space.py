"""Whether a disk has room for a checkpoint, asked before it is written."""

import errno
import os
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

ROOM = 1 << 16
"""Bytes of a checkpoint beside its tensors: names, shapes, settings."""


def check(folder: Path, files: Mapping[str, Mapping[str, Tensor]]) -> None:
    """OSError (ENOSPC) if `folder` has no room for these files of tensors, or for so many files."""
    needed = ROOM + sum(tensor.nbytes for tensors in files.values() for tensor in tensors.values())
    disk = os.statvfs(folder)
    if disk.f_bavail * disk.f_frsize < needed:
        sizes = (f"{size / 1e6:,.1f} MB" for size in (needed, disk.f_bavail * disk.f_frsize))
        raise OSError(errno.ENOSPC, "No space left on device: it takes {} and {} are free".format(*sizes))
    count = len(files) + 3  # state.json, manifest.json, and the folder
    if disk.f_files and disk.f_favail < count:  # f_files is 0 on a file system without a limit
        raise OSError(errno.ENOSPC, f"No space left on device: it is {count} files and {disk.f_favail} can be made")
