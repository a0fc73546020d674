"""The numbers of a picture, as CSV."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alphabar.files import atomic_file


@dataclass(frozen=True)
class Table:
    """Columns of equal length, by name."""

    columns: Mapping[str, list[float | int | str]]

    @classmethod
    def of(cls, *parts: Mapping[str, Any]) -> "Table":
        """Parts with the same columns, one below the other; in a part, a single number or word stands for every row."""
        columns: dict[str, list[float | int | str]] = {name: [] for name in parts[0]}
        for part in parts:
            whole = np.broadcast_arrays(*(np.atleast_1d(np.asarray(values)) for values in part.values()))
            for name, values in zip(part, whole, strict=True):
                columns[name] += values.tolist()
        return cls(columns)

    def save(self, path: Path) -> None:
        """With a line of names; every digit of the numbers is there, and NaN is left empty."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        for row in zip(*self.columns.values(), strict=True):
            writer.writerow("" if value != value else value for value in row)  # NaN alone is not itself
        with atomic_file(path) as file:
            file.write(text.getvalue().encode())
