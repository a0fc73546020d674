"""What the commands that edit pictures share: their options, and the file of the result."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alphabar.cli import plotting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alphabar.editing.edit import Edit

PICTURE = "An image file; or a number k, or test:k: image k of the run's data."
Out = Annotated[Path | None, typer.Option(help="The picture, a .png; a file in RUN/edits if left out.")]
Seeds = Annotated[str | None, typer.Option(help="The seeds, one result for each: 0-63,100.")]
Label = Annotated[
    str | None,
    typer.Option("--class", help="The class: number, name, or none; the picture's own, if known, when left out."),
]


def place(run: Path, name: str, settings: "Mapping[str, Any]", out: Path | None, suffix: str = ".png") -> Path:
    """The file of the result, named after all of its settings; AlphabarError if it cannot be written."""
    from alphabar.files import digest
    from alphabar.runs.run import home

    usual = home(run) / "edits" / f"{name}-{digest(dict(settings))[:8]}{suffix}"
    return plotting.writable(out or usual, (suffix,))


def make(edit: "Edit", run: Path, out: Path | None) -> None:
    """Make the edit and save its picture; a file that cannot be written is reported before the work."""
    path = place(run, edit.name, edit.settings, out)
    edit.images().save(path)
    typer.echo(f"picture   {path}")
