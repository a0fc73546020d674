"""What a checkpoint is called."""

import re
from pathlib import Path


def steps(folder: Path) -> list[Path]:
    """The checkpoints in `folder`, oldest first, not verified."""
    return sorted((path for path in folder.glob("step-*") if is_one(path) and path.is_dir()), key=step_of)


def is_one(path: Path) -> bool:
    """Whether `path` is named like a checkpoint (copies under other names are left alone)."""
    return re.fullmatch(r"step-(\d{8}|[1-9]\d{8,})", path.name, re.ASCII) is not None


def step_of(path: Path) -> int:
    """The training step in a checkpoint's name."""
    return int(path.name.removeprefix("step-"))
