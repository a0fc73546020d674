"""`alphabar export`: a model to share."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from alphabar.cli import options as o
from alphabar.terminal import say


def export(
    run: o.Run,
    out: Annotated[Path, typer.Argument(help="A new folder.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[sampling.key=value]...", help="The default way of sampling the exported model."),
    ] = None,
    weights: o.Weights = "ema",
    dtype: Annotated[str, typer.Option(help="float16, bfloat16 or float32.")] = "float16",
    step: o.Step = None,
) -> None:
    """Write a small run to share: one set of weights in half precision, without the state that training needs."""
    from alphabar.api import share

    path = share.export(run, out, weights=weights, dtype=dtype, step=step, overrides=overrides or ())
    command = f"alphabar sample {shlex.quote(str(out))}"
    say(f"model     {out}  ({path.stat().st_size / 1e6:.1f} MB of weights; sample it with `{command}`)")
