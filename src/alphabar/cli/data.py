"""`alphabar data`: the data sets, and what a folder of images holds."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alphabar.cli import options as o
from alphabar.terminal import console, say

if TYPE_CHECKING:
    from rich.table import Table

    from alphabar.data import Report

app = typer.Typer(help="Look at data before training on them.", no_args_is_help=True)

_LISTED = 10  # skipped files, classes and sizes that are listed one by one


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


@app.command("inspect")
def inspect_(
    path: Annotated[
        Path,
        typer.Argument(help="A folder of images, IDX or CIFAR-10 files; a .zip, .tar, .npz or .npy."),
    ],
    image_size: o.ImageSize = None,
    resize: o.Resize = "none",
    channels: Annotated[int | None, typer.Option(help="1, 3 or 4, like the setting data.channels.")] = None,
    white: o.White = None,
    split: Annotated[str, typer.Option(help="train, val or test.")] = "train",
) -> None:
    """Read every image in PATH; report what it holds, what is skipped and why, and the command to train on it."""
    from alphabar.api import look

    size = o.parsed_size(image_size)
    report = look.inspect(path, image_size=size, resize=resize, channels=channels, split=split, white=white)
    screen = console()
    screen.print(_table(report))
    is_specific = image_size is not None or resize != "none" or channels is not None
    if report.problem is not None and (is_specific or report.skipped):  # else the suggested command solves it
        say(f"As it stands: {report.problem}")
    settings = " ".join(f"{key}={value}" for key, value in report.settings.items())
    if report.contents.warning:
        say(report.contents.warning)
    screen.print("To train on it:", style="bold")
    # Not through the console, which would fold a line that is meant to be copied.
    say(f"alphabar train ddpm_folder --data {shlex.quote(str(path))} {settings}")


def _table(report: "Report") -> "Table":
    """The report as a table; names of the user's are printed as they are, never read as markup."""
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
        "splits": ", ".join(report.contents.splits),
        "classes": _counts(report.classes) or "none",
        "levels": str(report.contents.levels or ""),
        "transparent": report.contents.transparency,
        "left out": "\n".join(report.contents.left_out),
        "notes": _counts(report.notes),
        "in memory": "" if report.memory is None else in_bytes(report.memory),
    }
    table = Table(show_header=False)
    for name, value in rows.items():
        if value:
            table.add_row(name, Text(value, overflow="fold"))
    for name, reason in report.skipped[:_LISTED]:
        table.add_row("  skipped", Text(f"{name}: {reason}", overflow="fold"))
    return table


def _counts(counts: Mapping[str, int]) -> str:
    """The most frequent first, one per line."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    lines = [f"{count:,} x {name}" for name, count in ranked[:_LISTED]]
    if len(ranked) > _LISTED:
        lines.append(f"... and {len(ranked) - _LISTED:,} more")
    return "\n".join(lines)
