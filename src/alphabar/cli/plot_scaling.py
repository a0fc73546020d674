"""`alphabar plot scaling`: the figure, and its laws in words."""

from alphabar.cli import options as o
from alphabar.cli.plotting import Out, place, save
from alphabar.terminal import say


def scaling(runs: o.Runs, out: Out = None) -> None:
    """Bits/dim and FD over training FLOPs by size of the network, and a power law of the lowest points (IDDPM §6)."""
    path = place("scaling", out)
    from alphabar import figures

    figure = figures.scaling(runs)
    save(figure, path)
    for axes in figure.figure.axes:
        say(axes.get_title())
