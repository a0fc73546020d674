"""The rows that `alphabar evaluate` keeps of a run."""

import json
import os
from pathlib import Path
from typing import Any

from alphabar import outputs

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
    """Append a row to the evaluations of `folder`, on a line of its own even if the last line is incomplete."""
    check(folder)
    path = folder / EVALUATIONS
    is_cut = path.exists() and path.read_bytes()[-1:] not in (b"\n", b"")
    with path.open("a") as file:
        file.write("\n" * is_cut + json.dumps(row) + "\n")


def read(folder: Path) -> list[dict[str, Any]]:
    """The complete rows, oldest first."""
    path, rows = folder / EVALUATIONS, []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            row = json.loads(line)
        except ValueError:
            continue  # cut short by a kill
        rows += [row] if isinstance(row, dict) else []
    return rows
