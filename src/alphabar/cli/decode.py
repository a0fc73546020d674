"""`alphabar decode`: encoded images back from their noise."""

from pathlib import Path
from typing import Annotated

import typer

from alphabar.cli import editing
from alphabar.cli import options as o


def decode(
    run: o.Run,
    file: Annotated[Path, typer.Argument(metavar="LATENTS", help="What `alphabar encode` wrote.")],
    weights: o.Weights = "ema",
    step: o.Step = None,
    out: editing.Out = None,
    device: o.Device = "auto",
) -> None:
    """Run DDIM from latents to images, on the steps and with the class that they were encoded with."""
    from alphabar import build
    from alphabar.editing import edits, latents
    from alphabar.runs.model import load_model

    where = build.device(device)
    model = load_model(run, weights, where, step)
    found, editor = latents.load(file, run, model, where)
    what = {"decoded": str(file)}
    path = editing.place(editor, f"decode-{file.stem}", what, out)
    editing.finish(path, edits.decoded(editor, found), min(len(found), 8), editor, what)
