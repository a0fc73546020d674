"""`alphabar compress`: images into one file, in as many bits as the bound of a model says."""

from pathlib import Path
from typing import Annotated

import typer

from alphabar.cli import options as o
from alphabar.terminal import say


def compress(
    run: o.Run,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGES...", help="Image files, or folders of them.")],
    out: Annotated[Path, typer.Argument(metavar="OUT.abar", help="The file that is written.")],
    steps: Annotated[
        str | None,
        typer.Option(help="Number of steps; 50 if left out. More steps make a smaller file, and take longer."),
    ] = None,
    spacing: o.Spacing = None,
    label: Annotated[str | None, typer.Option("--class", help="The class of all images, by number or name.")] = None,
    weights: o.Weights = "ema",
    step: o.Step = None,
    batch_size: o.BatchSize = None,
    portable: Annotated[
        bool, typer.Option("--portable", help="Write a file that other kinds of machines can decode; it takes longer.")
    ] = False,
    lossy: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="NOISE",
            help="Leave noise of up to so many grey levels (0-255) in; a smaller file, not exact.",
        ),
    ] = None,
    device: o.Device = "auto",
) -> None:
    """Compress images, without loss if --lossy is left out, with a model trained on images like them.

    The file is decoded as a test before it is written.
    """
    from alphabar.api.compress import compress as made
    from alphabar.api.model import load
    from alphabar.cli.lost import lost
    from alphabar.data.contents import counted

    model = load(run, weights=weights, step=step, device=device)
    result = made(
        model, images, out, steps=steps, spacing=spacing, label=label, batch_size=batch_size, portable=portable,
        lossy=lossy,
    )  # fmt: skip
    each = f"{result.size / result.count:,.1f} each"
    say(
        f"{counted(result.count, 'image')} in {result.size:,} bytes, {each}; without names and checksums "
        f"{result.payload / result.count:,.1f} each, {result.bits_per_dim:.3f} bits per value"
    )
    if result.lossy:
        say(f"lossy     {lost(result.lossy)}")
    say(f"written   {result.file}")
