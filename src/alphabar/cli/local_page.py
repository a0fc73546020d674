"""`alphabar app`: the page in the browser."""

from pathlib import Path
from typing import Annotated

import typer

from alphabar.cli import options as o
from alphabar.terminal import say


def app(
    runs: Annotated[
        list[Path] | None, typer.Argument(metavar="[RUN...]", help="Runs to show, beside the bundled models.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The port; the first free one from 7860 on if left out.")
    ] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")] = True,
    device: o.Device = "auto",
) -> None:
    """Open a page on this machine: generate and edit images, watch trainings, compare runs (the extra app).

    Only this machine can reach the page, it needs no network, and it reports nothing to anybody.
    """
    from alphabar.app.server import serve

    serve(runs or [], port, device, browser, say)
