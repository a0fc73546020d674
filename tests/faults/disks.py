"""Disks that are small, full or closed: file systems in memory, which only root can mount, and other users' folders."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import alphabar


@contextlib.contextmanager
def disk(place: Path, options: str) -> Iterator[Path]:
    """A file system of its own at `place`; skips where it cannot be mounted."""
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def remount(place: Path, options: str) -> None:
    """Change the options of the file system at `place`, of which no file is open for writing."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(place)], check=True)


def close(folder: Path) -> None:
    """Make `folder` read-only, whatever is open beside it; its own file system goes away with that it lies on."""
    subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Without the rights of root; skips for anybody else, who cannot give files to another user, and if root hides the
    project.
    """
    if os.geteuid() != 0:
        pytest.skip("only root can own files of another user")
    os.seteuid(65534)
    try:
        if not os.access(alphabar.__file__, os.R_OK, effective_ids=True):
            pytest.skip("the project lies in a folder that only root may enter")
        yield
    finally:
        os.seteuid(0)
