"""IDDPM Fig. 1."""

from collections.abc import Sequence

from alphabar import plots
from alphabar.figures.chains import chain


def variances(lengths: Sequence[int], schedule: str = "linear") -> plots.Figure:
    """β̃_t/β_t of chains of these lengths: the two fixed reverse variances differ only near the data."""
    chains = {T: chain(schedule, T) for T in lengths}
    ratios = {T: (s.beta_tilde[1:] / s.beta[1:]).numpy() for T, s in chains.items()}
    table = plots.Table.of(
        *(
            {
                "schedule": schedule,
                "T": T,
                "t": range(1, T + 1),
                "beta_tilde": s.beta_tilde[1:],
                "beta": s.beta[1:],
                "ratio": ratios[T],
            }
            for T, s in chains.items()
        )
    )
    return plots.Figure(plots.variances(ratios, schedule), table)
