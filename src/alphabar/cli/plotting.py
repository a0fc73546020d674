"""The files of the figures of `alphabar plot`, and the options that several of them share."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alphabar.errors import AlphabarError

if TYPE_CHECKING:
    from alphabar.plots import Figure

SUFFIXES = (".png", ".svg")

Out = Annotated[
    Path | None,
    typer.Option(help="The picture, .png or .svg, with a .csv of its numbers beside it; plots/NAME.png if left out."),
]


def place(name: str, out: Path | None) -> Path:
    """The file of the picture; AlphabarError, before the work, if it cannot be written."""
    return writable(out or Path("plots") / f"{name}.png", SUFFIXES)


def writable(path: Path, suffixes: tuple[str, ...]) -> Path:
    """`path`, with its folder created; AlphabarError if it has another suffix, or cannot be written."""
    if path.suffix.lower() not in suffixes:
        raise AlphabarError(f"The output is a {' or '.join(suffixes)} file; --out is {path}.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AlphabarError(f"{path} cannot be written ({error.strerror}); choose another --out.") from None
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        why = "it is a folder" if path.is_dir() else "its folder is read-only"
        raise AlphabarError(f"{path} cannot be written ({why}); choose another --out.")
    return path


def save(figure: "Figure", path: Path) -> None:
    """Write the picture and, beside it, its numbers."""
    numbers = figure.save(path)
    typer.echo(f"picture  {path}\nnumbers  {numbers}")


def numbers(option: str, text: str, kind: type[int] | type[float]) -> list[int] | list[float]:
    """ "100,1000" -> [100, 1000]."""
    try:
        return [kind(word) for word in text.split(",")]
    except ValueError:
        what = "whole numbers" if kind is int else "numbers"
        raise AlphabarError(f"{option} takes {what} with commas between them; got '{text}'.") from None
