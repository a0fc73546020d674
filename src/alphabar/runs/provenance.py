"""What made the numbers: the command, the versions, the machine."""

import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

import alphabar


def command() -> list[str]:
    """The command line, without the folder that the program lies in."""
    return [Path(sys.argv[0]).name, *sys.argv[1:]]


def versions() -> dict[str, Any]:
    """The versions of alphabar, its source, Python and torch."""
    return {
        "alphabar": alphabar.__version__,
        "git_commit": _git_commit(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def environment() -> dict[str, Any]:
    """The line that every start of a run adds to environment.jsonl."""
    return {
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "command": command(),
        **versions(),
        "machine": platform.platform(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def _git_commit() -> str | None:
    """The commit of alphabar's own source, with '+' if it was edited since; None if git does not track this file.

    The package may be installed inside somebody's repository, whose commit says nothing about it.
    """
    here = Path(__file__)
    if _git(here.parent, "ls-files", "--error-unmatch", here.name) is None:
        return None
    return _git(here.parent, "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*")


def _git(folder: Path, *words: str) -> str | None:
    """What a git command prints; None if it fails."""
    command = ["git", "-C", str(folder), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return (done.stdout.strip() or None) if done.returncode == 0 else None
