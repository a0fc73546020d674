"""What a run says of itself while it trains."""

import json
from pathlib import Path
from typing import Any

from alphabar.plots.drawn import save
from alphabar.plots.style import canvas, look


def loss_curve(metrics: Path, path: Path) -> None:
    """The training loss over images seen, in all and by quartile of t, on a log scale; nothing if there is no data."""
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
    """Each metric of the evaluations while training, over images seen; nothing if there were none."""
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
    ("loss_q2", "second", {"color": "#31688e", "linewidth": 1}),
    ("loss_q3", "third", {"color": "#35b779", "linewidth": 1}),
    ("loss_q4", "fourth (most noise)", {"color": "#d8b400", "linewidth": 1}),
    ("loss", "all", {"color": "black", "linewidth": 2}),
)
