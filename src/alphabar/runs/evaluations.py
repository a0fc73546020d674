"""The rows that `alphabar evaluate` keeps of a run."""

from pathlib import Path
from typing import Any

from alphabar import json_lines

EVALUATIONS = "evaluations.jsonl"
"""A line of JSON per evaluation, in a run directory or in the folder that --out names."""


def add(folder: Path, row: dict[str, Any]) -> None:
    """Append a row to the evaluations of `folder`."""
    json_lines.append(folder / EVALUATIONS, row)


def read(folder: Path) -> list[dict[str, Any]]:
    """The rows, oldest first; lines that are none, such as one cut short by a kill, are passed over."""
    return json_lines.rows(folder / EVALUATIONS)
