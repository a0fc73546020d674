"""The common style of all figures: colours for colour-blind readers, plain axes, the legend outside the axes."""

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
"""The palette of Okabe & Ito 2008, without its yellow, which is hard to see on white."""
DASHES = ("-", "--", "-.", ":")


@dataclass(frozen=True)
class Band:
    """A curve y(x) with its standard error, arrays (N,). Where the error is 0 or NaN, no band is drawn."""

    x: Array
    y: Array
    error: Array


def canvas(width: float = 6.4, height: float = 4.2) -> "Figure":
    """An empty matplotlib figure of `width` × `height` inches, laid out to make room for labels and legends."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def look(k: int) -> dict[str, Any]:
    """The line style of the k-th curve: its colour."""
    return {"color": COLOURS[k % len(COLOURS)]}


def dashed(k: int) -> dict[str, Any]:
    """The line style of the k-th curve, if curves may overlap: its colour and dashes, which show the curve below."""
    return look(k) | {"linestyle": DASHES[k % len(DASHES)], "linewidth": 1.5}


def tidy(axes: "Axes") -> None:
    """Gives the axes a faint grid, and removes the frame above and on the right."""
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def legend(figure: "Figure", axes: "Axes", columns: int = 3) -> None:
    """Adds a legend of the curves in `axes` below all axes, with `columns` columns or fewer if labels are long."""
    handles, labels = axes.get_legend_handles_labels()
    width = figure.get_figwidth() * 10 / max(1, max(map(len, labels), default=1))  # labels that fit side by side
    figure.legend(
        handles, labels, loc="outside lower center", ncols=max(1, min(columns, int(width))), frameon=False, fontsize=9
    )


def draw_bands(axes: "Axes", bands: Mapping[str, Band], **style: Any) -> None:
    """Draws each curve with a band of ± its standard error."""
    for k, (label, band) in enumerate(bands.items()):
        axes.plot(band.x, band.y, label=label, **(dashed(k) | style))
        axes.fill_between(
            band.x, band.y - band.error, band.y + band.error, color=look(k)["color"], alpha=0.2, linewidth=0
        )
