"""What the commands share that edit given pictures: the model and the pictures in, a sheet out."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alphabar.cli import plotting
from alphabar.errors import AlphabarError

if TYPE_CHECKING:
    from torch import Tensor

    from alphabar.editing.edits import Editor
    from alphabar.editing.pictures import Picture

PICTURE = "An image file; or a number k, or test:k: image k of the run's data."
Out = Annotated[Path | None, typer.Option(help="The sheet, a .png; a file in RUN/edits if left out.")]
Label = Annotated[
    str | None,
    typer.Option("--class", help="What the network is told: number, name, or none; the picture's, if known."),
]


def begin(
    run: Path,
    texts: Sequence[str],
    changes: dict[str, Any],
    *,
    label: str | None,
    weights: str,
    step: str | None,
    resize: str,
    data_root: Path | None,
    device: str,
    usual_steps: int | None = None,
) -> "tuple[Editor, list[Picture]]":
    """The model, its way to draw with `changes`, and the pictures that `texts` name.

    usual_steps: how many steps if `changes` do not say, of a chain that has so many.
    """
    from alphabar import build
    from alphabar.editing import edits
    from alphabar.editing.pictures import picture
    from alphabar.runs.model import load_model
    from alphabar.sampling import draw as drawing

    where = build.device(device)
    model = load_model(run, weights, where, step)
    if usual_steps is not None:
        changes = {"steps": min(usual_steps, model.denoiser.schedule.T)} | changes
    section = drawing.section(model, changes)
    pictures = [picture(model, text, resize, data_root) for text in texts]
    told = edits.told_label(model, label, pictures)
    if told is None and section.guidance_scale != 1:
        raise AlphabarError(
            "--guidance is towards a class, and there is none here (--class none, or pictures of several)."
        )
    return edits.Editor(run, model, section, told, where), pictures


def place(editor: "Editor", name: str, what: dict[str, Any], out: Path | None, suffix: str = ".png") -> Path:
    """Where the result goes, under a name of its own for each way of making it; AlphabarError if it cannot go there."""
    from alphabar.runs.run import home

    way = hashlib.sha256(json.dumps(editor.told() | what, sort_keys=True).encode()).hexdigest()[:8]
    usual = home(editor.run) / "edits" / f"{name.replace(':', '-')}-{way}{suffix}"
    return plotting.writable(out or usual, (suffix,))


def finish(path: Path, sheet: "Tensor", columns: int, editor: "Editor", what: dict[str, Any]) -> None:
    """Save the tiles (N, C, H, W) in rows of `columns`, with what made them in the PNG's text, and say where."""
    from alphabar import images

    enlarge = images.enlargement(sheet.shape[2], 64)
    grid = images.grid(sheet, columns, enlarge, gap=max(2, enlarge))
    images.save_png(path, grid, {"alphabar": json.dumps(editor.told() | what)})
    typer.echo(f"picture   {path}")


def times(text: str | None, usual: list[int]) -> list[int]:
    """ "100,250" -> [100, 250]."""
    if text is None:
        return usual
    if not all(word.strip().isdecimal() for word in text.split(",")):
        raise AlphabarError(f"Timesteps are whole numbers with commas between them, as 250,500; got '{text}'.")
    return [int(word) for word in text.split(",")]
