"""`alphabar export`: a model to give away."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from alphabar.cli import options as o


def export(
    run: o.Run,
    out: Annotated[Path, typer.Argument(help="A new folder.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[sampling.key=value]...", help="How it is drawn by default.")
    ] = None,
    weights: o.Weights = "ema",
    dtype: Annotated[str, typer.Option(help="float16, bfloat16 or float32.")] = "float16",
    step: o.Step = None,
) -> None:
    """Write a small run: one set of weights in half precision, without what training needs to go on."""
    from alphabar.sampling.export import export as written

    path = written(run, out, weights, dtype, step, overrides or ())
    command = f"alphabar sample {shlex.quote(str(out))}"
    typer.echo(f"model     {out}  ({path.stat().st_size / 1e6:.1f} MB of weights; draw with `{command}`)")
