"""IDDPM Fig. 5."""

from alphabar import plots
from alphabar.diffusion import SCHEDULES
from alphabar.figures.chains import chain


def schedules(T: int = 1000) -> plots.Figure:
    """ᾱ_t of every schedule: how much of the image is left."""
    alpha_bars = {name: chain(name, T).alpha_bar.numpy() for name in SCHEDULES}
    table = plots.Table.of(
        *({"schedule": name, "T": T, "t": range(T + 1), "alpha_bar": values} for name, values in alpha_bars.items())
    )
    return plots.Figure(plots.schedules(alpha_bars), table)
