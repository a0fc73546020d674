"""Plot of ᾱ_t by schedule (IDDPM Fig. 5)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from alphabar.plots.style import COLOURS, Array, canvas, legend, look, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BOLD = ("linear", "cosine")


def schedules(alpha_bars: Mapping[str, Array]) -> "Figure":
    """ᾱ_t, t = 0..T, over t/T, one curve per schedule. The two that the paper compares are bold."""
    figure = canvas(6.4, 4.6)
    axes = figure.subplots()
    others = [name for name in alpha_bars if name not in BOLD]
    for k, name in enumerate([*BOLD, *others]):
        T = len(alpha_bars[name]) - 1
        style = look(k) | {"linewidth": 2.8} if name in BOLD else _thin(k - len(BOLD))
        axes.plot([t / T for t in range(T + 1)], alpha_bars[name], label=name, **style)
    axes.set(xlabel=r"$t\,/\,T$", ylabel=r"$\bar\alpha_t$", xlim=(0, 1), ylim=(0, 1.01), title=f"$T = {T}$")
    tidy(axes)
    legend(figure, axes, 5)
    return figure


def _thin(k: int) -> dict[str, Any]:
    """The line style of the k-th schedule that is not bold, in a colour that no bold one has."""
    rest = COLOURS[len(BOLD) :]
    return {"color": rest[k % len(rest)], "linestyle": ("--", ":")[k // len(rest) % 2], "linewidth": 1.2}
