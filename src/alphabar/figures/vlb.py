"""IDDPM Fig. 2."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from alphabar import plots
from alphabar.figures.runs import names
from alphabar.figures.terms import Terms, newest_terms
from alphabar.plots import Array, Band


def vlb(runs: Sequence[Path]) -> plots.Figure:
    """L_{t−1}, bits/dim, over t: which steps the bits go to; one curve per run, mean and standard error over images."""
    terms_of = dict(zip(names(runs), map(newest_terms, runs), strict=True))
    curves = {name: Band(terms.t, terms.terms.mean(0), _error(terms.terms)) for name, terms in terms_of.items()}
    table = plots.Table.of(
        *(
            {"run": name, "n": terms_of[name].n, "t": band.x.astype(int), "term": band.y, "standard_error": band.error}
            for name, band in curves.items()
        )
    )
    labelled = {f"{name}, in all {_total(terms_of[name])}": band for name, band in curves.items()}
    return plots.Figure(plots.vlb(labelled), table)


def _error(values: Array) -> Array:
    """The standard error of the mean over images; NaN for a single image."""
    n = len(values)
    return values.std(0, ddof=1) / math.sqrt(n) if n > 1 else np.full(values.shape[1], np.nan)


def _total(terms: Terms) -> str:
    total = terms.prior + terms.terms.sum(1)
    return f"{total.mean():.2f} bits/dim (n = {terms.n})"
