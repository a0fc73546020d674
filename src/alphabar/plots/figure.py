"""Figure: a matplotlib figure with its numbers; and `save`, which writes one to disk."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from alphabar.files import atomic_file
from alphabar.plots.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MatplotlibFigure

DPI = 120


@dataclass(frozen=True, eq=False, repr=False)
class Figure:
    """A matplotlib figure, and the table of the numbers that it shows."""

    figure: "MatplotlibFigure"
    table: Table

    def __repr__(self) -> str:
        return f"Figure(table of {', '.join(self.table.columns)})"

    def save(self, path: str | Path) -> Path:
        """Saves the picture as PNG or SVG, with its numbers beside it as CSV; returns the path of the numbers."""
        numbers = Path(path).with_suffix(".csv")
        self.table.save(numbers)
        save(self.figure, Path(path))
        return numbers


def save(figure: "MatplotlibFigure", path: Path) -> None:
    """Saves a figure as PNG or SVG, depending on the suffix. Equal figures give equal bytes."""
    import matplotlib

    kind = path.suffix.lower().removeprefix(".")
    metadata = {"Date": None} if kind == "svg" else {"Software": "alphabar"}
    with atomic_file(path) as file, matplotlib.rc_context({"svg.hashsalt": "alphabar"}):
        figure.savefig(file, format=kind, dpi=DPI, metadata=metadata)
