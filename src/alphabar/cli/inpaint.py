"""`alphabar inpaint`: a part of an image, sampled anew."""

from typing import Annotated

import typer

from alphabar.cli import editing
from alphabar.cli import options as o


def inpaint(
    run: o.Run,
    image: Annotated[str, typer.Argument(help=editing.PICTURE)],
    mask: Annotated[
        str, typer.Argument(help="An image file, white where to sample anew; or left, right, top, bottom, centre.")
    ],
    seeds: editing.Seeds = "0-7",
    jump_length: Annotated[
        int | None, typer.Option(min=1, help="How many steps the chain goes back up; 1/25 of all if left out.")
    ] = None,
    resamplings: Annotated[int, typer.Option(min=1, help="How often each part is run; 1 never goes back.")] = 4,
    sampler: Annotated[
        str | None, typer.Option(help="ddpm, ddim, euler or heun; ddim with eta 0.5 if left out.")
    ] = None,
    steps: Annotated[str | None, typer.Option(help="Number of steps; 25 if left out.")] = None,
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
    """Sample a part of an image anew, so that it fits the rest (RePaint): the other pixels stay as they are.

    The picture shows the image, the part that is known, then one result for each seed. It takes about steps x
    resamplings network calls; 25 steps of ddim with eta 0.5 if no sampler is named.
    """
    from alphabar.api.edits import plan_inpainting
    from alphabar.api.model import load

    model = load(run, weights=weights, step=step, device=device, data=data, data_root=data_root)
    edit = plan_inpainting(
        model, image, mask, seeds=seeds, jump_length=jump_length,
        resamplings=resamplings, label=label, resize=resize,
        **o.sampling(sampler=sampler, steps=steps, eta=eta, guidance=guidance),
    )  # fmt: skip
    editing.make(edit, run, out, image, mask)
