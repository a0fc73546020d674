"""`alphabar plot lossy`."""

from typing import Annotated

import typer

from alphabar.cli import options as o
from alphabar.cli.plotting import Out, numbers, place, save


def lossy(
    run: o.Run,
    noise: Annotated[
        str, typer.Option(help="The noise that `alphabar compress --lossy` leaves, a point for each.")
    ] = "3,6,12,25,50,100",
    count: Annotated[int, typer.Option(min=2, help="How many images.")] = 128,
    split: Annotated[str, typer.Option(help="The split of the run's data: train or test.")] = "test",
    steps: Annotated[str | None, typer.Option(help="Number of steps of the chain; 50 if left out.")] = None,
    spacing: o.Spacing = None,
    label: o.Label = None,
    weights: o.Weights = "ema",
    step: o.Step = None,
    data: o.Data = None,
    data_root: o.DataRoot = None,
    device: o.Device = "auto",
    out: Out = None,
) -> None:
    """Bytes of lossy files and their error, beside the bound's and other formats' (DDPM Fig. 5)."""
    levels = [float(level) for level in numbers("--noise", noise, float)]
    path = place("lossy", out)
    from alphabar import figures
    from alphabar.api.compress import coding_pipeline
    from alphabar.api.model import load

    model = load(run, weights=weights, step=step, device=device, data=data, data_root=data_root).loaded
    save(figures.lossy(coding_pipeline(model, steps, spacing, label), levels, count, split), path)
