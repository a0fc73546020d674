"""Plot of the ratio of the two fixed reverse variances (IDDPM Fig. 1)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from alphabar.plots.style import Array, canvas, legend, look, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def variances(ratios: Mapping[int, Array], schedule: str) -> "Figure":
    """β̃_t/β_t over t/T, one curve per T. ratios: T -> the values for t = 1..T."""
    figure = canvas()
    axes = figure.subplots()
    for k, (T, ratio) in enumerate(ratios.items()):
        first = range(min(10, T))  # only the first steps are far enough apart for markers
        axes.plot(
            [t / T for t in range(1, T + 1)], ratio, label=f"$T = {T}$", marker=".", markevery=list(first), **look(k)
        )
    axes.set(
        xlabel=r"$t\,/\,T$",
        ylabel=r"$\tilde\beta_t\,/\,\beta_t$",
        xscale="log",
        ylim=(-0.02, 1.02),
        title=f"{schedule} schedule",
    )
    tidy(axes)
    legend(figure, axes, 4)
    return figure
