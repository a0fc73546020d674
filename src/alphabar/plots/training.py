"""Plots of a run's training: the loss, and the metrics of evaluations while training."""

import json
from pathlib import Path
from typing import Any

from alphabar.plots.figure import save
from alphabar.plots.style import canvas, look


def loss_curve(metrics: Path, path: Path) -> None:
    """Saves a plot of the training loss over images seen, for all t and per quarter of t; nothing without data.

    metrics: the run's JSON lines file.
    """
    rows = [json.loads(line) for line in metrics.read_text().splitlines()] if metrics.exists() else []
    rows = [row for row in rows if row.get("loss") is not None]
    if not rows:
        return
    figure = canvas(7, 4.2)
    axes = figure.subplots()
    for key, label, style in _CURVES:
        points = [(row["images"], row[key]) for row in rows if row[key] is not None]
        axes.plot(*zip(*points, strict=True), label=label, **style)
    axes.set(xlabel="images seen", ylabel="loss", yscale="log")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    save(figure, path)


def scores(metrics: Path, path: Path) -> None:
    """Saves a plot of each metric of the evaluations while training, over images seen; nothing without evaluations."""
    rows = [json.loads(line) for line in metrics.read_text().splitlines()] if metrics.exists() else []
    rows = [row for row in rows if row.get("evaluation")]
    names = list(dict.fromkeys(name for row in rows for name in row["evaluation"]))
    if not names:
        return
    figure = canvas(7, 2.4 * len(names))
    for axis, name in zip(figure.subplots(len(names), 1, squeeze=False)[:, 0], names, strict=True):
        points = [(row["images"], row["evaluation"][name]) for row in rows if name in row["evaluation"]]
        axis.plot(*zip(*points, strict=True), marker="o", **look(0))
        axis.set(xlabel="images seen", ylabel=name)
        axis.grid(alpha=0.3)
    save(figure, path)


_CURVES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("loss_q1", "t in the first quarter (least noise)", {"color": "#440154", "linewidth": 1}),
    ("loss_q2", "second quarter", {"color": "#31688e", "linewidth": 1}),
    ("loss_q3", "third quarter", {"color": "#35b779", "linewidth": 1}),
    ("loss_q4", "fourth quarter (most noise)", {"color": "#d8b400", "linewidth": 1}),
    ("loss", "all t", {"color": "black", "linewidth": 2}),
)
