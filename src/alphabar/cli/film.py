"""`alphabar film`: a training run, seen in what it drew."""

from pathlib import Path
from typing import Annotated

import typer


def film(
    run: Annotated[Path, typer.Argument(help="A run directory.")],
    out: Annotated[
        Path | None, typer.Option(help="The film, .gif, .webp or, with ffmpeg, .mp4; film.gif in the run if left out.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="How long it takes; its last frame is held longer.")] = 6.0,
) -> None:
    """Film a training run: its preview grids, drawn from the same seeds every training.sample_every steps."""
    from alphabar import film as films
    from alphabar.runs.previews import previews

    path = out or run / "film.gif"
    films.check(path)
    found = previews(run)
    path.parent.mkdir(parents=True, exist_ok=True)
    films.save(path, found.frames, seconds, comment=f"training steps {', '.join(map(str, found.steps))}")
    typer.echo(f"film      {path}  ({len(found.steps)} grids, steps {found.steps[0]:,} to {found.steps[-1]:,})")
