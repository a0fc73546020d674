"""A picture and its numbers, and their way to disk."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from alphabar.files import atomic_file
from alphabar.plots.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 120


@dataclass(frozen=True, eq=False)
class Drawn:
    """A figure, and the numbers that are in it."""

    figure: "Figure"
    table: Table


def save(figure: "Figure", path: Path) -> None:
    """As PNG or SVG, as the suffix says; the same figure gives the same bytes."""
    import matplotlib

    kind = path.suffix.lower().removeprefix(".")
    told = {"Date": None} if kind == "svg" else {"Software": "alphabar"}
    with atomic_file(path) as file, matplotlib.rc_context({"svg.hashsalt": "alphabar"}):
        figure.savefig(file, format=kind, dpi=DPI, metadata=told)
