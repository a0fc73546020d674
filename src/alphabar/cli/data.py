"""`alphabar data`: what can be trained on, and what is in a folder before one trains on it."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alphabar.cli import options as o
from alphabar.errors import AlphabarError
from alphabar.registry import unknown

if TYPE_CHECKING:
    from rich.table import Table

    from alphabar.data import Report

app = typer.Typer(help="Look at data before training on them.", no_args_is_help=True)

PUBLISHED = ("mnist", "fashion_mnist", "cifar10", "twemoji")
"""Data sets that are downloaded where they are not found."""
_NAMED = 10  # skipped files to name; classes and sizes to list


@app.command("list")
def list_() -> None:
    """List the data sets that can be trained on by name."""
    from alphabar.data import DATASETS

    width = max(map(len, DATASETS))
    for name, source in DATASETS.items():
        typer.echo(f"{name:{width}}  {(source.__doc__ or '').strip().splitlines()[0]}")


@app.command("fetch")
def fetch(
    name: Annotated[str, typer.Argument(help="A published data set, or inception: the weights behind FID.")],
    data_root: o.DataRoot = None,
) -> None:
    """Download it into the cache, unless it is there, and check it against its published checksum."""
    from alphabar import data
    from alphabar.evaluation import fetch_inception

    if name == "inception":
        typer.echo(f"inception  {fetch_inception()}")
        return
    if name not in PUBLISHED:
        raise AlphabarError(unknown("download", name, ("inception", *PUBLISHED)))
    for split in ("train", "test"):
        images = data.load(name, data.DataOptions(data_root=data_root, split=split))
        typer.echo(f"{name} {split}  {len(images):,} images, {images.source}")


@app.command("inspect")
def inspect_(
    path: Annotated[Path, typer.Argument(help="A folder of images, IDX or CIFAR-10 files, a .npz or a .tgz.")],
    image_size: o.ImageSize = None,
    resize: o.Resize = "none",
    channels: Annotated[int | None, typer.Option(help="1, 3 or 4, as data.channels.")] = None,
    split: Annotated[str, typer.Option(help="train or test.")] = "train",
) -> None:
    """Read every image in PATH; say what is there, what is skipped and why, and how to train on it."""
    from rich.console import Console

    from alphabar.data import DataOptions, inspect

    size = o.parsed_size(image_size)
    report = inspect(path, DataOptions(image_size=size, resize=resize, channels=channels, split=split))
    console = Console(highlight=False)
    console.print(_table(report))
    asked = image_size is not None or resize != "none" or channels is not None
    if report.problem is not None and (asked or report.skipped):  # else what we suggest mends it
        console.print(f"As it stands: {report.problem}", markup=False)
    settings = " ".join(f"{key}={value}" for key, value in report.settings.items())
    console.print("To train on it:", style="bold")
    # Not through the console, which would fold the line: it is there to be copied.
    typer.echo(f"alphabar train ddpm_folder --data {shlex.quote(str(path))} {settings}")


def _table(report: "Report") -> "Table":
    """Facts left, values right; user-made names are printed as they are, never read as markup."""
    from rich.table import Table
    from rich.text import Text

    from alphabar.data.memory import in_bytes
    from alphabar.data.options import sized

    rows = {
        "kind": report.kind,
        "source": report.source,
        "images found": f"{report.found:,}",
        "images usable": f"{report.loaded:,}",
        "images skipped": f"{len(report.skipped):,}",
        "sizes (HxW)": _counts({sized(size): count for size, count in report.sizes.items()}),
        "modes": _counts(report.modes),
        "classes": _counts(report.classes) or "none",
        "notes": _counts(report.notes),
        "in memory": "" if report.memory is None else in_bytes(report.memory),
    }
    table = Table(show_header=False)
    for name, value in rows.items():
        if value:
            table.add_row(name, Text(value, overflow="fold"))
    for name, reason in report.skipped[:_NAMED]:
        table.add_row("  skipped", Text(f"{name}: {reason}", overflow="fold"))
    return table


def _counts(counts: Mapping[str, int]) -> str:
    """The most frequent first, one per line."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    lines = [f"{count:,} x {name}" for name, count in ranked[:_NAMED]]
    if len(ranked) > _NAMED:
        lines.append(f"... and {len(ranked) - _NAMED:,} more")
    return "\n".join(lines)
