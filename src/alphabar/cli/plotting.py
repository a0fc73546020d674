"""The files of the figures of `alphabar plot`, and the options that several of them share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alphabar.errors import AlphabarError
from alphabar.files import outputs
from alphabar.terminal import say

if TYPE_CHECKING:
    from alphabar.api.options import Options
    from alphabar.plots import Figure
    from alphabar.runs.model import LoadedModel
    from alphabar.sampling.pipeline import Pipeline

Out = Annotated[
    Path | None,
    typer.Option(help="The picture, .png or .svg, with a .csv of its numbers beside it; plots/NAME.png if left out."),
]


def place(name: str, out: Path | None, *inputs: Path) -> Path:
    """The file of the picture; AlphabarError, before the work, if it cannot be written.

    inputs: the files and folders of images that the command reads.
    """
    path = writable(out or Path("plots") / f"{name}.png", outputs.PICTURES)
    outputs.check_figure(path, inputs)
    return path


def writable(path: Path, suffixes: tuple[str, ...]) -> Path:
    """`path`, with its folder created; AlphabarError if it has another suffix, or its folder cannot be written."""
    if path.suffix.lower() not in suffixes:
        raise AlphabarError(f"The output is a {' or '.join(suffixes)} file; --out is {path}.")
    outputs.prepare(path.parent, path=path)
    return path


def save(figure: "Figure", path: Path) -> None:
    """Write the picture and, beside it, its numbers."""
    numbers = figure.save(path)
    say(f"picture  {path}")
    say(f"numbers  {numbers}")


def numbers(option: str, text: str, kind: type[int] | type[float]) -> list[int] | list[float]:
    """ "100,1000" -> [100, 1000]."""
    try:
        return [kind(word) for word in text.split(",")]
    except ValueError:
        what = "whole numbers" if kind is int else "numbers"
        raise AlphabarError(f"{option} takes {what} with commas between them; got '{text}'.") from None


def loaded(
    run: Path, weights: str, step: str | None, device: str, data: Path | None = None, data_root: Path | None = None
) -> "LoadedModel":
    """The model of a run, with its data."""
    from alphabar.api.model import load

    return load(run, weights=weights, step=step, device=device, data=data, data_root=data_root).loaded


def pipeline_of(model: "LoadedModel", how: "Options", label: str | None) -> "Pipeline":
    """The model with changed settings of sampling."""
    from alphabar.api.options import changes
    from alphabar.sampling.pipeline import Pipeline

    return Pipeline.of(model, changes(how), model.label(label))
