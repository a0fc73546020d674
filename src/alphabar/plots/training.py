"""Plots of a run's training: the loss, and the metrics of evaluations while training."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from alphabar.files import json_lines
from alphabar.plots.figure import save
from alphabar.plots.style import canvas, look

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LARGEST = 1e30
"""Larger numbers have no place on an axis."""
MOST = 12
"""Metrics in one figure; a run measures fewer."""
_NAME = re.compile(r"[\w@ .-]{1,60}", re.ASCII)
"""A name that matplotlib shows as it stands."""


def loss_curve(metrics: Path, path: Path) -> None:
    """Saves `loss_figure` of these metrics; nothing without data."""
    figure = loss_figure(metrics)
    if figure is not None:
        save(figure, path)


def loss_figure(metrics: Path) -> "Figure | None":
    """A plot of the training loss over images seen, for all t and per quarter of t; None without data.

    metrics: the run's JSON lines file. Lines and numbers that cannot be plotted are passed over.
    """
    rows = json_lines.rows(metrics)
    curves = {key: [(x, y) for x, y in _points(rows, key) if y > 0] for key, _, _ in _CURVES}
    if not any(curves.values()):
        return None
    figure = canvas(7, 4.2)
    axes = figure.subplots()
    for key, label, style in _CURVES:
        axes.plot(*zip(*curves[key], strict=True), label=label, **style)
    axes.set(xlabel="images seen", ylabel="loss", yscale="log")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure


def scores(metrics: Path, path: Path) -> None:
    """Saves a plot of each metric of the evaluations while training, over images seen; nothing without evaluations."""
    entries = [(row.get("images"), row.get("evaluation")) for row in json_lines.rows(metrics)]
    rows = [{**scores, "images": images} for images, scores in entries if isinstance(scores, dict)]
    names = dict.fromkeys(name for row in rows for name in row if name != "images" and _NAME.fullmatch(name))
    curves = {name: points for name in names if (points := _points(rows, name))}
    shown = list(curves)[:MOST]
    if not shown:
        return
    figure = canvas(7, 2.4 * len(shown))
    for axis, name in zip(figure.subplots(len(shown), 1, squeeze=False)[:, 0], shown, strict=True):
        axis.plot(*zip(*curves[name], strict=True), marker="o", **look(0))
        axis.set(xlabel="images seen", ylabel=name)
        axis.grid(alpha=0.3)
    save(figure, path)


def _points(rows: Sequence[dict[str, Any]], key: str) -> list[tuple[float, float]]:
    """(images seen, number) of each row that has both."""
    pairs = [(row.get("images"), row.get(key)) for row in rows]
    return [(x, y) for x, y in pairs if _is_plottable(x) and _is_plottable(y)]


def _is_plottable(value: Any) -> TypeGuard[float]:
    return type(value) in (int, float) and abs(value) <= LARGEST


_CURVES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("loss_q1", "t in the first quarter (least noise)", {"color": "#440154", "linewidth": 1}),
    ("loss_q2", "second quarter", {"color": "#31688e", "linewidth": 1}),
    ("loss_q3", "third quarter", {"color": "#35b779", "linewidth": 1}),
    ("loss_q4", "fourth quarter (most noise)", {"color": "#d8b400", "linewidth": 1}),
    ("loss", "all t", {"color": "black", "linewidth": 2}),
)
