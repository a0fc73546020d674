"""Plot of the network's error over t."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from alphabar.plots.style import Band, canvas, draw_bands, legend, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def loss(curves: Mapping[str, Band], note: str) -> "Figure":
    """The mean squared error of the network's output over t/T, one curve per run."""
    figure = canvas()
    axes = figure.subplots()
    draw_bands(axes, curves, marker=".", markersize=4)
    axes.set(xlabel=r"$t\,/\,T$", ylabel="mean squared error of the output", xlim=(0, 1), yscale="log", title=note)
    axes.title.set_fontsize(10)
    tidy(axes)
    legend(figure, axes, 2)
    return figure
