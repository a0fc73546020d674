"""Bits/dim and FD over the compute of trainings, by size of the network, and the law of the best (IDDPM §6)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alphabar import plots
from alphabar.errors import AlphabarError
from alphabar.figures.power_law import PowerLaw, envelope, fitted
from alphabar.figures.runs import names
from alphabar.figures.training_points import BITS, Point, points_of


def scaling(runs: Sequence[Path]) -> plots.Figure:
    """Bits/dim and FD over training FLOPs, from the evaluations that the runs keep: a curve per size of the network.

    The points that no other beats with as little compute are fitted by L = a C^−b + c. FLOPs are images seen ×
    multiply-adds of the forward pass × 2 × 3. AlphabarError if a run was not evaluated, or the runs not alike.
    """
    points = [point for run, name in zip(runs, names(runs), strict=True) for point in points_of(run, name)]
    measures = sorted({point.measure for point in points}, key=lambda measure: (measure != BITS, measure))
    panels, parts = [], []
    for measure in measures:
        mine = sorted((p for p in points if p.measure == measure), key=lambda p: (p.parameters, p.flops))
        _check_alike(mine)
        flops, values = (np.array([getattr(p, name) for p in mine], np.float64) for name in ("flops", "value"))
        best = envelope(flops, values)
        law = fitted(flops[best] / 1e12, values[best])
        panels.append(plots.Scaling(measure, _curves(mine), *_line(law, flops[best]), said(measure, law, best)))
        parts.append(_rows(mine, best, law))
    return plots.Figure(plots.scaling(panels), plots.Table.of(*parts))


def said(measure: str, law: PowerLaw | None, best: plots.Array) -> str:
    """The law in a sentence; C is in TFLOPs."""
    if law is None:
        return f"{measure}: too few points on the envelope for a law ({best.sum()})"
    c, interval = "", "{:.3g} to {:.3g}".format
    if law.c_interval[1] > 0:
        c = f" + {law.c:.3g} ({interval(*law.c_interval)})"
    return f"{measure} = {law.a:.3g} C^-{law.b:.3g}{c}; exponent {interval(*law.b_interval)}, {best.sum()} points"


def _check_alike(points: Sequence[Point]) -> None:
    first = points[0]
    for other in points[1:]:
        if other.how != first.how:
            raise AlphabarError(
                f"The {first.measure} of {first.run} is of {first.how}, and that of {other.run} of {other.how}; "
                "evaluate all runs with the same options."
            )


def _curves(points: Sequence[Point]) -> dict[str, plots.Band]:
    curves = {}
    for size in dict.fromkeys((p.parameters, p.multiply_adds) for p in points):
        mine = [p for p in points if (p.parameters, p.multiply_adds) == size]
        columns = ([getattr(p, name) for p in mine] for name in ("flops", "value", "standard_error"))
        label = f"{size[0]:,} parameters, {size[1] / 1e6:.3g} M multiply-adds"
        curves[label] = plots.Band(*(np.array(column, np.float64) for column in columns))
    return curves


def _line(law: PowerLaw | None, flops: plots.Array) -> tuple[plots.Array, plots.Array]:
    """The law over the range of its points; nothing without one."""
    if law is None:
        return np.zeros(0), np.zeros(0)
    x = np.geomspace(flops.min(), flops.max(), 100)
    return x, law.at(x / 1e12)


def _rows(points: Sequence[Point], best: plots.Array, law: PowerLaw | None) -> dict[str, Any]:
    names_of = ("measure", "run", "step", "parameters", "multiply_adds", "images", "flops", "value", "standard_error")
    rows: dict[str, Any] = {name: [getattr(p, name) for p in points] for name in names_of}
    rows["on_envelope"] = best.astype(int)
    for name in "abc":
        low, high = getattr(law, f"{name}_interval", (np.nan, np.nan))
        rows |= {f"fit_{name}": getattr(law, name, np.nan), f"fit_{name}_low": low, f"fit_{name}_high": high}
    return rows
