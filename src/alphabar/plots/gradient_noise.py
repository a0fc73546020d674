"""Plot of the noise of a batch's gradient, by the sampler of t (IDDPM §3.3)."""

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
    """A measured number, its standard error and its 95 % interval (low, high)."""

    value: float
    error: float
    low: float
    high: float


def gradient_noise(traces: Mapping[str, Uncertain], squared_mean: Uncertain, sizes: npt.NDArray[np.int64]) -> "Figure":
    """tr Σ / B over the batch size B, one curve per sampler of t, and |G|².

    Σ is the covariance of the gradient of one image, G its mean. The curves cross at the noise scale B = tr Σ / |G|².
    """
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
    """The noise scale as text, or a lower bound of it if |G|² does not differ significantly from 0."""
    significant = squared_mean.low > 0
    two_digits = f"{trace.value / (squared_mean.value if significant else squared_mean.high):.2g}"
    return rf"noise scale $\mathrm{{tr}}\,\Sigma\,/\,|G|^2$ {'≈' if significant else '>'} {float(two_digits):,.4g}"
