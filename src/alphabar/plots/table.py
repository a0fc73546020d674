"""The numbers of a figure, as a table that can be saved as CSV."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Table:
    """A table: name -> column, all of equal length."""

    columns: Mapping[str, list[float | int | str]]

    @classmethod
    def of(cls, *parts: Mapping[str, Any]) -> "Table":
        """A table of parts with equal columns, one below the other. A single value in a part fills all its rows."""
        columns: dict[str, list[float | int | str]] = {name: [] for name in parts[0]}
        for part in parts:
            whole = np.broadcast_arrays(*(np.atleast_1d(np.asarray(values)) for values in part.values()))
            for name, values in zip(part, whole, strict=True):
                columns[name] += values.tolist()
        return cls(columns)

    def csv(self) -> bytes:
        """The table as CSV with a header line. Numbers have all their digits; NaN becomes an empty field."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        for row in zip(*self.columns.values(), strict=True):
            writer.writerow("" if value != value else value for value in row)  # only NaN differs from itself
        return text.getvalue().encode()
