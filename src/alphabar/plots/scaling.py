"""Plot of quality over the compute of trainings, by size of the network, with a fitted law (IDDPM §6)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from alphabar.plots.style import Array, Band, canvas, dashed, legend, look, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Scaling:
    """A panel: a measure, its curves over FLOPs by size, the law's points x and y (N,), and the law in words."""

    measure: str
    curves: Mapping[str, Band]
    x: Array
    y: Array
    law: str


def scaling(panels: Sequence[Scaling]) -> "Figure":
    """A panel per measure; both axes are logarithmic. Bars are standard errors; dotted: the law of the envelope."""
    from matplotlib.ticker import LogFormatter

    figure = canvas(0.8 + 5.4 * len(panels), 4.8)
    every = figure.subplots(1, len(panels), squeeze=False)[0]
    looks = {label: k for k, label in enumerate(dict.fromkeys(label for panel in panels for label in panel.curves))}
    for axes, panel in zip(every, panels, strict=True):
        for label, band in panel.curves.items():
            k = looks[label]
            axes.plot(band.x, band.y, label=label, marker="o", markersize=4, **dashed(k))
            axes.errorbar(band.x, band.y, yerr=band.error, fmt="none", capsize=2, ecolor=look(k)["color"])
        if len(panel.x):
            axes.plot(panel.x, panel.y, color="0.35", linestyle=":", linewidth=1.8, label="law of the lowest points")
        axes.set(xlabel="FLOPs of the training", ylabel=f"{panel.measure}, lower is better", xscale="log", yscale="log")
        axes.set_title(panel.law, fontsize=8)
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(LogFormatter())
        tidy(axes)
    legend(figure, max(every, key=lambda axes: len(axes.lines)), 2)
    return figure
