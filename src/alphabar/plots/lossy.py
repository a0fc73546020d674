"""Plot of the error of lossy files over their size."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from alphabar.plots.style import Array, canvas, legend, look, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKERS = ("", "o", "s", "x", "^", "v", "D")


def lossy(curves: Mapping[str, Array], note: str) -> "Figure":
    """RMSE over bytes for each image, (2, N) by curve; the first curve is the theory, a line without points."""
    figure = canvas(7.2, 5.0)
    axes = figure.subplots()
    for k, (label, (size, rmse)) in enumerate(curves.items()):
        style: dict[str, Any] = {"color": "0.2", "linestyle": "--"} if k == 0 else look(k - 1)
        axes.plot(size, rmse, label=label, marker=MARKERS[k % len(MARKERS)], markersize=4, linewidth=1.3, **style)
    axes.set(xlabel="bytes per image", ylabel="RMSE, grey levels (0–255)", xlim=(0, 700), ylim=(0, 45), title=note)
    axes.title.set_fontsize(10)
    tidy(axes)
    legend(figure, axes, 4)
    return figure
