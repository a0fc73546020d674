"""`alphabar train`: a recipe, a folder of images, a run."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alphabar.cli import options as o
from alphabar.cli.console import console

if TYPE_CHECKING:
    from alphabar.config import Config

INTERRUPTED = 4


def train(
    recipe: Annotated[str, typer.Argument(help="A name from `alphabar recipes`, or a .toml file.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="section.key=value, as training.batch_size=64; see `alphabar settings`.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Train on your own: a folder of images, or a file.")] = None,
    data_root: o.DataRoot = None,
    run: Annotated[Path | None, typer.Option(help="The run directory; runs/RECIPE if left out.")] = None,
    device: o.Device = "auto",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Build all, take one step, write nothing.")] = False,
) -> None:
    """Train a model; the same command again goes on where it stopped.

    The run directory is self-contained: `alphabar sample` needs nothing else.
    """
    config = _config(recipe, overrides or [], data, data_root)

    from alphabar import build, distributed, training
    from alphabar.errors import AlphabarError

    if distributed.world_size() > 1:
        raise AlphabarError("Training on several processes is not there yet; start `alphabar train` without torchrun.")
    chosen = build.device(device)
    if dry_run:
        for line in training.dry_run(config, chosen):
            typer.echo(line)
        return
    path = run or Path("runs") / Path(recipe).stem
    finished = training.train(config, path, chosen, console())
    if not finished:
        typer.echo("interrupted and saved; the same command goes on from here")
    for name, place in {"samples": "samples", "loss curve": "loss.png", "weights": "checkpoints"}.items():
        if (path / place).exists():
            typer.echo(f"{name:12}{path / place}")
    typer.echo(f"next        alphabar sample {shlex.quote(str(path))}")
    if not finished:
        raise typer.Exit(INTERRUPTED)


def _config(recipe: str, overrides: list[str], data: Path | None, data_root: Path | None) -> "Config":
    from alphabar import config

    if data_root is not None:
        overrides = [f"data.root={_toml(data_root)}", *overrides]
    if data is None:
        return config.load(recipe, overrides)
    config.load(recipe, overrides)  # a mistake in the settings is answered before torch is imported for the data

    from alphabar.data import detect

    return config.load(recipe, [f"data.name={detect(data)}", f"data.path={_toml(data)}", *overrides])


def _toml(path: Path) -> str:
    """A path as a TOML string, so that '8' or 'true' stays a path."""
    return json.dumps(str(path))
