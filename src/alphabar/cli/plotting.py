"""What several figures of `alphabar plot` share: their files, options, pipelines and images."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alphabar import outputs
from alphabar.errors import AlphabarError
from alphabar.terminal import say

if TYPE_CHECKING:
    from torch import Tensor

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


def pipeline_of(model: "LoadedModel", how: "Options", label: str | None) -> "Pipeline":
    """The model with these options, and this class."""
    from alphabar.api.options import changes
    from alphabar.sampling.pipeline import Pipeline

    return Pipeline.of(model, changes(how), model.label(label))


def image_of(images: "Tensor", k: int) -> "Tensor":
    """Image k, (C, H, W); AlphabarError if there are not so many."""
    if k >= len(images):
        raise AlphabarError(f"--image must lie in 0..{len(images) - 1}, as there are {len(images):,} images; got {k}.")
    return images[k]
