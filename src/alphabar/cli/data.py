"""`alphabar data`: the data sets, and what a folder of images holds."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from alphabar.cli import inspection
from alphabar.cli import options as o
from alphabar.errors import AlphabarError
from alphabar.terminal import console, say

app = typer.Typer(help="Look at data before training on them.", no_args_is_help=True)


@app.command("list")
def list_() -> None:
    """List the data sets that can be trained on by name."""
    from alphabar.data import DATASETS

    width = max(map(len, DATASETS))
    for name, source in DATASETS.items():
        say(f"{name:{width}}  {(source.__doc__ or '').strip().splitlines()[0]}")


@app.command("fetch")
def fetch(
    name: Annotated[str, typer.Argument(help="A published data set, or inception: the weights behind FID.")],
    data_root: o.DataRoot = None,
) -> None:
    """Download a data set into the cache, unless it is there, and check it against its published checksum."""
    from alphabar.api import look

    for line in look.fetch(name, data_root):
        say(line)


@app.command("pack")
def pack(
    source: Annotated[
        str,
        typer.Argument(help="Images as for train, WebDataset shards, or hf:NAME, a data set of Hugging Face."),
    ],
    out: Annotated[Path, typer.Argument(help="The pack, a new folder.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="How files become images, e.g. data.image_size=64 data.resize=crop."),
    ] = None,
) -> None:
    """Decode images once, for sets larger than the memory or of many files; the same command again completes it."""
    from alphabar.api import look

    for line in look.pack(source, out, overrides=overrides or (), say=say):
        say(line)
    say(f"To train on it: alphabar train folder --data {shlex.quote(str(out))}")


@app.command("inspect")
def inspect_(
    path: Annotated[
        Path,
        typer.Argument(help="A folder of images, IDX or CIFAR-10 files; a .zip, .tar, .parquet, .npz or .npy."),
    ],
    image_size: o.ImageSize = None,
    resize: o.Resize = "none",
    channels: Annotated[int | None, typer.Option(help="1, 3 or 4, like the setting data.channels.")] = None,
    white: o.White = None,
    split: Annotated[str, typer.Option(help="train, val or test.")] = "train",
    out: Annotated[
        Path | None,
        typer.Option(help="64 pictures as the network will see them, .png; inspect.png if left out."),
    ] = None,
) -> None:
    """Read every image in PATH; report what it holds, what is skipped and why, and the command to train on it."""
    from alphabar.api import look

    size = o.parsed_size(image_size)
    place, refusal = out or Path("inspect.png"), ""
    try:
        look.inspected_place(place, path)
    except AlphabarError as error:
        if out is not None:
            raise
        refusal = f"{error}"  # nobody asked for a picture, so the report is made without it
    shown_at = None if refusal else place
    report = look.inspect(
        path, image_size=size, resize=resize, channels=channels, split=split, white=white, out=shown_at
    )
    screen = console()
    screen.print(inspection.table(report))
    is_specific = image_size is not None or resize != "none" or channels is not None
    for sentence in inspection.warnings(report):
        say(sentence)
    screen.print(inspection.plan(report.advice))
    if report.problem is not None and (is_specific or report.skipped):  # else the suggested settings solve it
        say(f"Recipe folder chooses these settings by itself; without them: {report.problem}")
    seen = f"picture  {place}, {len(report.pictures)} images as the network will see them"
    say(f"No picture: {refusal}" if refusal else seen)
    screen.print("To train on it:", style="bold")
    # Not through the console, which would fold a line that is meant to be copied.
    say(inspection.command(path, report, size, channels))
