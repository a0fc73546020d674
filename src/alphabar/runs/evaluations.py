"""The rows that `alphabar evaluate` keeps of a run."""

import json
from pathlib import Path
from typing import Any

EVALUATIONS = "evaluations.jsonl"
"""A line of JSON per evaluation, in a run directory or in the folder that --out names."""


def add(folder: Path, row: dict[str, Any]) -> None:
    """Append a row to the evaluations of `folder`, on a line of its own even if the last line is incomplete."""
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
