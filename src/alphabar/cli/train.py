"""`alphabar train`: a recipe, a folder of images, a run."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from alphabar.cli import options as o
from alphabar.terminal import say

INTERRUPTED = 4


def train(
    recipe: Annotated[str, typer.Argument(help="A name from `alphabar recipes`, or a .toml file.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="section.key=value, e.g. training.batch_size=64; see `alphabar settings`."),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Your own images: a folder, or a file.")] = None,
    data_root: o.DataRoot = None,
    run: Annotated[Path | None, typer.Option(help="The run directory; runs/RECIPE if left out.")] = None,
    device: o.Device = "auto",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Build everything, take one step, write nothing.")] = False,
) -> None:
    """Train a model; the same command again resumes where it stopped.

    The run directory is self-contained: `alphabar sample` needs nothing else.
    """
    from alphabar.api import train as trainer

    if dry_run:
        for line in trainer.rehearsed(recipe, data, overrides or (), data_root, device):
            say(line)
        return
    trained = trainer.train(recipe, data=data, run=run, overrides=overrides or (), data_root=data_root, device=device)
    if not trained.finished:
        say("interrupted and saved; the same command resumes from here")
    for name, place in {"samples": "samples", "loss curve": "loss.png", "weights": "checkpoints"}.items():
        if (trained.path / place).exists():
            say(f"{name:12}{trained.path / place}")
    say(f"next        alphabar sample {shlex.quote(str(trained.path))}")
    if not trained.finished:
        raise typer.Exit(INTERRUPTED)
