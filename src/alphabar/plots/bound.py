"""Plots of the variational bound: its terms over t (IDDPM Fig. 2), and rate and distortion (DDPM Fig. 5)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from alphabar.plots.figure import save
from alphabar.plots.style import Array, Band, canvas, dashed, draw_bands, legend, look, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RATE, DISTORTION = "rate, bits/dim of the input", r"distortion: RMSE of $\hat x_0$ (grey levels 0–255)"


@dataclass(frozen=True)
class Transmission:
    """Rate and distortion after T − t reverse steps, as arrays (N,).

    rate: bits/dim that were sent to transmit x_t. rmse: the error of x̂_0(x_t), in grey levels 0..255.
    """

    reverse_steps: Array
    rate: Array
    rmse: Array


def vlb(curves: Mapping[str, Band]) -> "Figure":
    """L_{t−1} in bits/dim over t, one curve per run; both axes are logarithmic."""
    figure = canvas()
    axes = figure.subplots()
    _terms(axes, curves)
    legend(figure, axes, 2)
    return figure


def rate_distortion(curves: Mapping[str, Transmission]) -> "Figure":
    """Distortion and rate over the reverse process, and distortion over rate; one curve per run."""
    figure = canvas(10.5, 3.8)
    left, middle, right = figure.subplots(1, 3)
    for k, (label, curve) in enumerate(curves.items()):
        left.plot(curve.reverse_steps, curve.rmse, label=label, **dashed(k))
        middle.plot(curve.reverse_steps, curve.rate, **dashed(k))
        right.plot(curve.rate, curve.rmse, **dashed(k))
    left.set(xlabel=r"reverse steps, $T - t$", ylabel=DISTORTION)
    middle.set(xlabel=r"reverse steps, $T - t$", ylabel=RATE)
    right.set(xlabel=RATE, ylabel=DISTORTION)
    for axes in (left, middle, right):
        axes.set(xlim=(0, None), ylim=(0, None))
        tidy(axes)
    legend(figure, left)
    return figure


def bound_terms(path: Path, t: Tensor, terms: Tensor, x0_mse: Tensor) -> None:
    """Saves a figure of one run: L_{t−1} (T,) in bits/dim over t, and distortion over rate.

    x0_mse (T,): the mean squared error of x̂_0 at each t, on the scale −1..1.
    """
    figure = canvas(9, 3.6)
    left, right = figure.subplots(1, 2)
    _terms(left, {"": Band(t.double().numpy(), terms.numpy(), np.zeros(len(t)))})
    rate = terms[1:].flip(0).cumsum(0)  # bits/dim to transmit x_t, t = T − 1, ..., 1
    right.plot(rate, 127.5 * x0_mse[:-1].flip(0).sqrt(), **look(0))
    right.set(xlabel=RATE, ylabel=DISTORTION)
    tidy(right)
    save(figure, path)


def _terms(axes: "Axes", curves: Mapping[str, Band]) -> None:
    draw_bands(axes, curves)
    axes.set(xlabel=r"$t$", ylabel=r"$L_{t-1}$, bits/dim of the input", xscale="log", yscale="log")
    tidy(axes)
