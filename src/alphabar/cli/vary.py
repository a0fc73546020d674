"""`alphabar vary`: other images near an image."""

from typing import Annotated

import typer

from alphabar.cli import editing
from alphabar.cli import options as o


def vary(
    run: o.Run,
    image: Annotated[str, typer.Argument(help=editing.PICTURE)],
    start: Annotated[
        str | None,
        typer.Option(
            help="Noise it to this t, in 1..T; several, as 250,500, make a grid. T/2 if left out.", metavar="T"
        ),
    ] = None,
    seeds: editing.Seeds = "0-7",
    sampler: o.Sampler = None,
    steps: o.Steps = None,
    eta: o.Eta = None,
    label: editing.Label = None,
    guidance: o.Guidance = None,
    weights: o.Weights = "ema",
    step: o.Step = None,
    resize: o.Resize = "none",
    data: o.Data = None,
    data_root: o.DataRoot = None,
    out: editing.Out = None,
    device: o.Device = "auto",
) -> None:
    """Noise an image to a level and denoise it again (SDEdit): the higher the level, the less is kept.

    A row for each level: the image, then one result for each seed.
    """
    from alphabar.api.edits import plan_variation
    from alphabar.api.model import load

    model = load(run, weights=weights, step=step, device=device, data=data, data_root=data_root)
    edit = plan_variation(
        model, image, start=start, seeds=seeds,
        label=label, resize=resize,
        **o.sampling(sampler=sampler, steps=steps, eta=eta, guidance=guidance),
    )  # fmt: skip
    editing.make(edit, run, out, image)
