"""`alphabar decode`: encoded images back from their noise."""

from pathlib import Path
from typing import Annotated

import typer

from alphabar.cli import editing
from alphabar.cli import options as o
from alphabar.terminal import say


def decode(
    run: o.Run,
    file: Annotated[Path, typer.Argument(metavar="LATENTS", help="A file that `alphabar encode` wrote.")],
    weights: o.Weights = "ema",
    step: o.Step = None,
    out: editing.Out = None,
    device: o.Device = "auto",
) -> None:
    """Run DDIM from latents to images, on the steps and with the class that they were encoded with."""
    from alphabar.api import latents
    from alphabar.api.model import load
    from alphabar.editing.edit import file_name_part

    decoding = latents.plan_decoding(load(run, weights=weights, step=step, device=device), file)
    path = editing.place(run, f"decode-{file_name_part(file.stem)}", decoding.settings, out, [file])
    decoding.images().save(path)
    say(f"picture   {path}")
