"""Plot of sample quality if the noisy end of the reverse process is skipped (IDDPM Fig. 4)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from alphabar.plots.style import Band, canvas, dashed, legend, look, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def skipped(curves: Mapping[str, Band], floors: Mapping[str, float], metric: str, note: str) -> "Figure":
    """A distance to real images over the skipped share of the reverse process; dotted: that of real images."""
    from matplotlib.ticker import LogFormatter

    figure = canvas(6.4, 4.6)
    axes = figure.subplots()
    for k, (label, band) in enumerate(curves.items()):
        axes.plot(100 * band.x, band.y, label=label, marker="o", markersize=4, **dashed(k))
        axes.errorbar(100 * band.x, band.y, yerr=band.error, fmt="none", capsize=2, ecolor=look(k)["color"])
    for label, floor in floors.items():
        axes.axhline(floor, color="0.35", linestyle=":", linewidth=1.2, label=label)
    axes.set(
        xlabel="skipped part of the reverse process, from $t = T$, %",
        ylabel=f"{metric}, lower is better",
        yscale="log",
        title=note,
    )
    axes.title.set_fontsize(10)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(LogFormatter())  # the axis may contain few powers of ten
    tidy(axes)
    legend(figure, axes, 1)
    return figure
