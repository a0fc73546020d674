"""`alphabar film`: a training run, seen in its previews."""

from pathlib import Path
from typing import Annotated

import typer

from alphabar.terminal import say


def film(
    run: Annotated[Path, typer.Argument(help="A run directory.")],
    out: Annotated[
        Path | None, typer.Option(help="The film, .gif, .webp or, with ffmpeg, .mp4; film.gif in the run if left out.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="Its length; the last frame is held longer.")] = 6.0,
) -> None:
    """Film a training run: its preview grids, made from the same seeds every training.sample_every steps."""
    from alphabar.api import share

    path, steps = share.training_film(run, out, seconds)
    say(f"film      {path}  ({len(steps)} grids, steps {steps[0]:,} to {steps[-1]:,})")
