"""Figure: a matplotlib figure with its numbers; and `save`, which writes one to disk."""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from alphabar.files import atomic_file, outputs
from alphabar.plots.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MatplotlibFigure

DPI = 120


@dataclass(frozen=True, eq=False, repr=False)
class Figure:
    """A matplotlib figure, and the table of the numbers that it shows. A notebook shows the picture."""

    figure: "MatplotlibFigure"
    table: Table

    def __repr__(self) -> str:
        return f"Figure(table of {', '.join(self.table.columns)})"

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.figure.savefig(file, format="png", dpi=DPI)
        return file.getvalue()

    def save(self, path: str | Path) -> Path:
        """Saves the picture as PNG or SVG, with its numbers beside it as CSV; returns the path of the numbers."""
        outputs.check_figure(Path(path))
        numbers, text = outputs.numbers_of(Path(path)), self.table.csv()
        save(self.figure, Path(path), hashlib.sha256(text).hexdigest())
        with atomic_file(numbers) as file:
            file.write(text)
        return numbers


def save(figure: "MatplotlibFigure", path: Path, about: str | None = None) -> None:
    """Saves a figure as PNG or SVG, depending on the suffix. Equal figures give equal bytes.

    about: what the metadata say beside the mark of a figure; None for a place that is alphabar's own.
    """
    import matplotlib

    kind = path.suffix.lower().removeprefix(".")
    author, more = ("Creator", {"Date": None}) if kind == "svg" else ("Software", {})
    metadata = {author: outputs.mark(outputs.FIGURE), "Description": about, **more}
    file_of = atomic_file(path) if about is None else outputs.written(path, outputs.FIGURE)
    with file_of as file, matplotlib.rc_context({"svg.hashsalt": "alphabar"}):
        figure.savefig(file, format=kind, dpi=DPI, metadata={k: v for k, v in metadata.items() if v or k == "Date"})
