"""`alphabar inpaint`: paint a part of an image anew."""

from pathlib import Path
from typing import Annotated

import typer

from alphabar.cli import editing
from alphabar.cli import options as o


def inpaint(
    run: o.Run,
    image: Annotated[str, typer.Argument(help=editing.PICTURE)],
    mask: Annotated[
        str, typer.Argument(help="An image file, white where to paint anew; or left, right, top, bottom, centre.")
    ],
    seeds: o.Seeds = "0-7",
    jump_length: Annotated[
        int | None, typer.Option(min=1, help="How far the chain goes back up, in its steps; 1/25 of them if left out.")
    ] = None,
    resamplings: Annotated[int, typer.Option(min=1, help="How often each part of it is walked; 1: never back.")] = 10,
    sampler: o.Sampler = None,
    steps: o.Steps = None,
    eta: o.Eta = None,
    label: editing.Label = None,
    guidance: o.Guidance = None,
    weights: o.Weights = "ema",
    step: o.Step = None,
    resize: o.Resize = "none",
    data_root: o.DataRoot = None,
    out: editing.Out = None,
    device: o.Device = "auto",
) -> None:
    """Paint a part of an image anew, so that it fits the rest (RePaint): the known pixels stay as they are.

    The image, the part that is known, then one for each seed. It takes about steps x resamplings network calls; 100
    steps of ddim with eta 0.5 if left out.
    """
    from alphabar.editing import edits
    from alphabar.editing.pictures import masked, read_mask
    from alphabar.sampling import job as generation

    if sampler is None:  # not the recipe's, which may look back, or be too rough in few steps (beta_t)
        sampler, eta = "ddim", 0.5 if eta is None else eta
    changes = o.given(sampler=sampler, steps=steps, eta=eta, guidance_scale=guidance)
    editor, (picture,) = editing.begin(
        run, [image], changes,
        label=label, weights=weights, step=step, resize=resize, data_root=data_root, device=device,
        usual_steps=100,
    )  # fmt: skip
    unknown = read_mask(mask, editor.model.facts.shape, resize)
    wanted = generation.parse_seeds(seeds or "0-7")
    what = {
        "inpainted": picture.name, "mask": mask, "seeds": wanted,
        "jump_length": jump_length, "resamplings": resamplings,
    }  # fmt: skip
    path = editing.place(editor, f"inpaint-{picture.name}-{Path(mask).stem}", what, out)
    drawn = edits.inpainted(editor, picture, unknown, wanted, jump_length, resamplings)
    editing.finish(path, masked(picture.pixels, unknown, drawn), 10, editor, what)
