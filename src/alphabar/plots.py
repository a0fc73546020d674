"""Figures from our own numbers."""

import json
from pathlib import Path
from typing import Any

from alphabar.images import atomic_file


def loss_curve(metrics: Path, path: Path) -> None:
    """The training loss over images seen, in all and by quartile of t, on a log scale; nothing if there is no data."""
    from matplotlib.figure import Figure

    rows = [json.loads(line) for line in metrics.read_text().splitlines()] if metrics.exists() else []
    rows = [row for row in rows if row["loss"] is not None]
    if not rows:
        return
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for key, label, style in _CURVES:
        points = [(row["images"], row[key]) for row in rows if row[key] is not None]
        axes.plot(*zip(*points, strict=True), label=label, **style)
    axes.set(xlabel="images seen", ylabel="loss", yscale="log")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    with atomic_file(path) as file:
        figure.savefig(file, format="png", dpi=120)


_CURVES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("loss_q1", "t in the first quarter (least noise)", {"color": "#440154", "linewidth": 1}),
    ("loss_q2", "second", {"color": "#31688e", "linewidth": 1}),
    ("loss_q3", "third", {"color": "#35b779", "linewidth": 1}),
    ("loss_q4", "fourth (most noise)", {"color": "#d8b400", "linewidth": 1}),
    ("loss", "all", {"color": "black", "linewidth": 2}),
)
