"""How noisy the gradient of a batch is, by the way in which t is drawn (IDDPM §3.3)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from alphabar.plots.style import canvas, legend, look, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Uncertain:
    """A number, its standard error and its 95 % interval."""

    value: float
    error: float
    low: float
    high: float


def gradient_noise(traces: Mapping[str, Uncertain], squared_mean: Uncertain, sizes: npt.NDArray[np.int64]) -> "Figure":
    """tr Σ / B over the batch size B, by sampler of t, and |G|²; they cross at the noise scale B = tr Σ / |G|²."""
    figure = canvas(6.4, 4.6)
    axes = figure.subplots()
    for k, (name, trace) in enumerate(traces.items()):
        axes.plot(sizes, trace.value / sizes, label=f"{name}: {scale(trace, squared_mean)}", **look(k))
        axes.fill_between(
            sizes, max(trace.low, 1e-300) / sizes, trace.high / sizes, color=look(k)["color"], alpha=0.2, linewidth=0
        )
    if squared_mean.value > 0:
        axes.axhline(squared_mean.value, color="black", linewidth=1, label=r"$|G|^2$, the squared mean of the gradient")
    axes.axhspan(max(squared_mean.low, 1e-300), squared_mean.high, color="black", alpha=0.12, linewidth=0)
    low = min(trace.value for trace in traces.values()) / sizes[-1]
    high = max(trace.high for trace in traces.values()) / sizes[0]
    axes.set(
        xlabel=r"batch size $B$",
        ylabel=r"variance of the gradient of $L_{\mathrm{vlb}}$, $\mathrm{tr}\,\Sigma\,/\,B$",
        xscale="log",
        yscale="log",
        xlim=(sizes[0], sizes[-1]),
        ylim=(min(low, max(squared_mean.value, low / 10)) / 2, high * 2),
    )
    tidy(axes)
    legend(figure, axes, 1)
    return figure


def scale(trace: Uncertain, squared_mean: Uncertain) -> str:
    """The noise scale in words; a bound where |G|² cannot be told from 0."""
    known = squared_mean.low > 0
    found = f"{trace.value / (squared_mean.value if known else squared_mean.high):.2g}"
    return rf"noise scale $\mathrm{{tr}}\,\Sigma\,/\,|G|^2$ {'≈' if known else '>'} {float(found):,.4g}"
