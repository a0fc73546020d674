"""`alphabar export`: a model to share, or for another program."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from alphabar import names
from alphabar.cli import options as o
from alphabar.terminal import say


def export(
    run: o.Run,
    out: Annotated[Path, typer.Argument(help="A new folder; a new file for every --to but diffusers and web.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[sampling.key=value]...", help="The default way of sampling the exported model."),
    ] = None,
    weights: o.Weights = "ema",
    to: Annotated[
        str | None, typer.Option(help=f"Another format: {names.listed(names.TARGETS)}; a small run if left out.")
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option(help="float16, bfloat16 or float32; float16 if left out, and float32 with --to."),
    ] = None,
    step: o.Step = None,
) -> None:
    """Write a small run to share: one set of weights in half precision, without the state that training needs.

    With --to, write the model in the format of another program.
    """
    from alphabar.api import share

    if to is not None:
        path, lines = share.export_to(run, out, to, weights=weights, dtype=dtype, step=step, overrides=overrides or ())
        say(f"model     {out}  ({path.stat().st_size / 1e6:.1f} MB of weights)")
        for line in lines:
            say(line)
        return
    path = share.export(run, out, weights=weights, dtype=dtype or "float16", step=step, overrides=overrides or ())
    command = f"alphabar sample {shlex.quote(str(out))}"
    say(f"model     {out}  ({path.stat().st_size / 1e6:.1f} MB of weights; sample it with `{command}`)")
