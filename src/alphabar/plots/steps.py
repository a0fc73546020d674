"""Plot of sample quality, or of a bound, over the number of network calls."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from alphabar.plots.style import Band, canvas, dashed, legend, look, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKERS = "osD^vP*X<>"
_APART = 0.06  # of the logarithms of two numbers at the axis


def steps(curves: Mapping[str, Band], floors: Mapping[str, float], metric: str, note: str) -> "Figure":
    """A distance to real images over the number of network calls, by sampler; dotted: that of real images.

    Or another quantity of which less is better, by another choice.
    """
    from matplotlib.ticker import FixedLocator, LogFormatter, NullLocator

    figure = canvas(7.6, 6.0)
    axes = figure.subplots()
    for k, (label, band) in enumerate(curves.items()):
        marker = MARKERS[k % len(MARKERS)]
        axes.plot(band.x, band.y, label=label, marker=marker, markersize=5, **dashed(k))
        axes.errorbar(band.x, band.y, yerr=band.error, fmt="none", capsize=2, ecolor=look(k)["color"])
    for label, floor in floors.items():
        axes.axhline(floor, color="0.35", linestyle=":", linewidth=1.2, label=label)
    axes.set(
        xlabel="network calls per image (NFE)",
        ylabel=f"{metric}, lower is better",
        xscale="log",
        yscale="log",
        title=note,
    )
    axes.title.set_fontsize(10)
    axes.xaxis.set_major_locator(FixedLocator(_apart([x for band in curves.values() for x in band.x.tolist()])))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(LogFormatter())
    tidy(axes)
    legend(figure, axes, 2)
    return figure


def _apart(numbers: Sequence[float]) -> list[float]:
    """The numbers that can be written beside each other on a logarithmic axis, the frequent ones first."""
    kept = list[float]()
    for number, _ in Counter(numbers).most_common():
        if all(abs(math.log(number / other)) > _APART for other in kept):
            kept.append(number)
    return sorted(kept)
