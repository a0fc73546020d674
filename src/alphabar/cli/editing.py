"""What the commands that edit pictures share: their options, and the file of the result."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alphabar.cli import plotting
from alphabar.terminal import say

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from alphabar.editing.edit import Edit

PICTURE = "An image file; or a number k, or test:k: image k of the run's data."
Out = Annotated[Path | None, typer.Option(help="The picture, a .png; a file in RUN/edits if left out.")]
Seeds = Annotated[str | None, typer.Option(help="The seeds, one result for each: 0-63,100.")]
Label = Annotated[
    str | None,
    typer.Option("--class", help="The class: number, name, or none; the picture's own, if known, when left out."),
]


def place(
    run: Path,
    name: str,
    settings: "Mapping[str, Any]",
    out: Path | None,
    inputs: "Collection[Path]",
    suffix: str = ".png",
) -> Path:
    """The file of the result, named after all of its settings; AlphabarError if it cannot be written."""
    from alphabar.files import digest, inside, outputs
    from alphabar.runs.run import home

    usual = inside(home(run) / "edits", f"{name}-{digest(dict(settings))[:8]}{suffix}")
    path = plotting.writable(out or usual, (suffix,))
    outputs.check(path, outputs.EDIT if suffix == ".png" else outputs.LATENTS, inputs)
    return path


def make(edit: "Edit", run: Path, out: Path | None, *sources: str) -> None:
    """Make the edit and save its picture; a file that cannot be written is reported before the work.

    sources: the pictures and masks as they were named, which are not replaced.
    """
    path = place(run, edit.name, edit.settings, out, [Path(source) for source in sources])
    edit.images().save(path)
    say(f"picture   {path}")
