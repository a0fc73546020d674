"""The rows that `alphabar evaluate` keeps of a run."""

import os
from pathlib import Path
from typing import Any

from alphabar.files import json_lines, outputs

EVALUATIONS = "evaluations.jsonl"
"""A line of JSON per evaluation, in a run directory or in the folder that --out names."""


_STARTS = (b'{"metrics": ', b'{"bits_per_dim": ')
"""How a row begins, even one that was cut short by a kill."""


def prepare(folder: Path) -> None:
    """Make the folder for a row; AlphabarError, before the work, if nothing can be written into it."""
    check(folder)
    outputs.prepare(folder)


def check(folder: Path) -> None:
    """AlphabarError unless a row can be added in `folder`: its evaluations.jsonl, if it has one, is ours."""
    outputs.check_folder(folder)
    path = folder / EVALUATIONS
    is_ours = path.is_file() and (path.stat().st_size == 0 or outputs.ends(path).startswith(_STARTS))
    if os.path.lexists(path) and not is_ours:
        raise outputs.foreign(path, "evaluations")


def add(folder: Path, row: dict[str, Any]) -> None:
    """Append a row to the evaluations of `folder`."""
    check(folder)
    json_lines.append(folder / EVALUATIONS, row)


def read(folder: Path) -> list[dict[str, Any]]:
    """The rows, oldest first; lines that are none, such as one cut short by a kill, are passed over."""
    return json_lines.rows(folder / EVALUATIONS)
