"""`alphabar decompress`: the images of a compressed file."""

from pathlib import Path
from typing import Annotated

import typer

from alphabar.cli import options as o
from alphabar.terminal import say


def decompress(
    file: Annotated[Path, typer.Argument(metavar="FILE.abar", help="A file that `alphabar compress` wrote.")],
    out: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the images are written.")],
    model: Annotated[
        str | None, typer.Option(help="The model, if it does not lie where it did when the file was made.")
    ] = None,
    fill: Annotated[
        str | None,
        typer.Option(
            help="Of a lossy file: mean, with the least error, or sample, which looks more real; mean if left out."
        ),
    ] = None,
    device: o.Device = "auto",
) -> None:
    """Write the images of a compressed file as PNGs; all, or none.

    They have exactly the pixels that were compressed, if the file is not lossy.
    """
    from alphabar.api.compress import decompress as made
    from alphabar.api.compress import loss_of
    from alphabar.cli.lost import lost
    from alphabar.data.contents import counted

    written = made(file, out, model=model, device=device, fill=fill)
    say(f"{counted(len(written), 'image')} in {out}")
    if loss := loss_of(file):
        say(f"They are not the originals: {lost(loss, fill or 'mean')}")
