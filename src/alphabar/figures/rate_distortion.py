"""DDPM Fig. 5."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from alphabar import plots
from alphabar.figures.runs import names
from alphabar.figures.terms import Terms, newest_terms
from alphabar.plots.bound import Transmission


def rate_distortion(runs: Sequence[Path]) -> plots.Figure:
    """An image sent as x_T, x_{T−1}, ..., x_1: what it has cost so far, and how well x̂_0 already shows it (§4.3)."""
    terms_of = dict(zip(names(runs), map(newest_terms, runs), strict=True))
    sent = {name: transmission(terms) for name, terms in terms_of.items()}
    table = plots.Table.of(
        *(
            {
                "run": name,
                "n": terms_of[name].n,
                "t": terms_of[name].t[::-1].astype(int),
                "reverse_steps": curve.reverse_steps.astype(int),
                "rate": curve.rate,
                "rmse": curve.rmse,
            }
            for name, curve in sent.items()
        )
    )
    return plots.Figure(
        plots.rate_distortion({f"{name} (n = {terms_of[name].n})": curve for name, curve in sent.items()}), table
    )


def transmission(terms: Terms) -> Transmission:
    """Row r is after r steps: x_T costs L_T, and x_t costs L_t more once x_{t+1} is known."""
    mean = terms.terms.mean(0)[::-1]  # L_{T−1}, ..., L_0
    rate = terms.prior.mean() + np.concatenate([[0.0], mean[:-1].cumsum()])
    return Transmission(np.arange(len(mean), dtype=np.float64), rate, 127.5 * np.sqrt(terms.x0_mse.mean(0)[::-1]))
