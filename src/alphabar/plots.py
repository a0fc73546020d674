"""Figures from our own numbers."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from alphabar import images
from alphabar.images import atomic_file


def loss_curve(metrics: Path, path: Path) -> None:
    """The training loss over images seen, in all and by quartile of t, on a log scale; nothing if there is no data."""
    from matplotlib.figure import Figure

    rows = [json.loads(line) for line in metrics.read_text().splitlines()] if metrics.exists() else []
    rows = [row for row in rows if row.get("loss") is not None]
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
    _save(figure, path)


def neighbours(path: Path, blocks: Mapping[str, Sequence[tuple[Tensor, Tensor]]], caption: str) -> None:
    """Blocks of rows: an image uint8 (C, H, W) and, after a gap, its neighbours (K, C, H, W), nearest first."""
    from matplotlib.figure import Figure

    columns = 1 + max(len(near) for rows in blocks.values() for _, near in rows)
    tall = max(map(len, blocks.values()))
    figure = Figure(figsize=(0.62 * columns * len(blocks), 0.62 * tall + 0.8), layout="constrained")
    for block, (title, rows) in zip(figure.subfigures(1, len(blocks), squeeze=False)[0], blocks.items(), strict=True):
        block.suptitle(title, fontsize=9)
        axes = block.subplots(tall, columns, squeeze=False, gridspec_kw={"width_ratios": [1.3] + [1] * (columns - 1)})
        for axis in axes.flat:
            axis.axis("off")
        for line, (image, near) in zip(axes, rows, strict=False):
            for axis, shown in zip(line, [image, *near], strict=False):
                axis.imshow(images.to_pil(shown), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    figure.supxlabel(caption, fontsize=9)
    _save(figure, path)


def bound_terms(path: Path, t: Tensor, terms: Tensor, x0_mse: Tensor) -> None:
    """L_{t−1} over t, (T,), bits/dim, as in IDDPM Fig. 2; and rate against distortion, as in DDPM Fig. 5."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(t, terms, color="#31688e")
    left.set(xlabel="t", ylabel="term of the bound, bits/dim", xscale="log", yscale="log")
    rate = terms[1:].flip(0).cumsum(0)  # what is sent until x_t is known, t = T − 1, ..., 1
    right.plot(rate, 127.5 * x0_mse[:-1].flip(0).sqrt(), color="#31688e")
    right.set(xlabel="rate, bits/dim", ylabel="distortion: RMSE of x̂_0, of 255")
    for axis in (left, right):
        axis.grid(alpha=0.3)
    _save(figure, path)


def scores(metrics: Path, path: Path) -> None:
    """Each metric of the evaluations while training, over images seen; nothing if there were none."""
    from matplotlib.figure import Figure

    rows = [json.loads(line) for line in metrics.read_text().splitlines()] if metrics.exists() else []
    rows = [row for row in rows if row.get("evaluation")]
    names = list(dict.fromkeys(name for row in rows for name in row["evaluation"]))
    if not names:
        return
    figure = Figure(figsize=(7, 2.4 * len(names)), layout="constrained")
    for axis, name in zip(figure.subplots(len(names), 1, squeeze=False)[:, 0], names, strict=True):
        points = [(row["images"], row["evaluation"][name]) for row in rows if name in row["evaluation"]]
        axis.plot(*zip(*points, strict=True), marker="o", color="#31688e")
        axis.set(xlabel="images seen", ylabel=name)
        axis.grid(alpha=0.3)
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    with atomic_file(path) as file:
        figure.savefig(file, format="png", dpi=120)


_CURVES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("loss_q1", "t in the first quarter (least noise)", {"color": "#440154", "linewidth": 1}),
    ("loss_q2", "second", {"color": "#31688e", "linewidth": 1}),
    ("loss_q3", "third", {"color": "#35b779", "linewidth": 1}),
    ("loss_q4", "fourth (most noise)", {"color": "#d8b400", "linewidth": 1}),
    ("loss", "all", {"color": "black", "linewidth": 2}),
)
