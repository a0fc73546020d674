"""How all figures look: colours that the colour-blind can tell apart, quiet axes, the legend outside the data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe & Ito 2008, without their yellow, which is lost on paper."""
DASHES = ("-", "--", "-.", ":")


@dataclass(frozen=True)
class Band:
    """A curve over x, and at each point how sure it is: y ± error, (N,) each; error 0 or NaN draws no band."""

    x: Array
    y: Array
    error: Array


def canvas(width: float = 6.4, height: float = 4.2) -> "Figure":
    """An empty figure, in inches, that makes room for its labels and legends."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def look(k: int) -> dict[str, Any]:
    """Of the k-th curve: another colour."""
    return {"color": COLOURS[k % len(COLOURS)]}


def dashed(k: int) -> dict[str, Any]:
    """Of the k-th of curves that may lie on each other: another colour, and another dash to see the one below."""
    return look(k) | {"linestyle": DASHES[k % len(DASHES)], "linewidth": 1.5}


def tidy(axes: "Axes") -> None:
    """A faint grid, and no frame where nothing is."""
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def legend(figure: "Figure", axes: "Axes", columns: int = 3) -> None:
    """Of these axes' curves, below all; in one column where a name is long."""
    handles, labels = axes.get_legend_handles_labels()
    width = figure.get_figwidth() * 10 / max(1, max(map(len, labels), default=1))  # names that fit side by side
    figure.legend(
        handles, labels, loc="outside lower center", ncols=max(1, min(columns, int(width))), frameon=False, fontsize=9
    )


def draw_bands(axes: "Axes", bands: Mapping[str, Band], **style: Any) -> None:
    """One line each, with its standard error about it."""
    for k, (label, band) in enumerate(bands.items()):
        axes.plot(band.x, band.y, label=label, **(dashed(k) | style))
        axes.fill_between(
            band.x, band.y - band.error, band.y + band.error, color=look(k)["color"], alpha=0.2, linewidth=0
        )
