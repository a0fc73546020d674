"""`alphabar push`: a run on the Hugging Face Hub."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from alphabar.cli import options as o
from alphabar.terminal import say


def push(
    run: o.Run,
    target: Annotated[str, typer.Argument(help="hf:owner/name; made if it does not exist.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[sampling.key=value]...", help="The default way of sampling the published model."),
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="A new model that only you can see.")] = False,
    licence: Annotated[
        str | None, typer.Option("--license", help="The licence of the weights: mit, cc-by-4.0, other ...")
    ] = None,
    to: Annotated[str | None, typer.Option(help="diffusers: put the model there in its format, too.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Upload nothing: write it into this new folder, to read its card first.")
    ] = None,
    weights: o.Weights = "ema",
    dtype: Annotated[str, typer.Option(help="float16, bfloat16 or float32.")] = "float16",
    step: o.Step = None,
) -> None:
    """Publish a small run on the Hugging Face Hub, with a model card made from the run.

    The token is that of `hf auth login`, or HF_TOKEN.
    """
    from alphabar.api import hub

    place = hub.push(
        run, target, private=private, licence=licence, to=to, out=out, weights=weights, dtype=dtype, step=step,
        overrides=overrides or (),
    )  # fmt: skip
    if out is not None:
        say(f"card      {place}  (nothing was uploaded; the same command without --out does it)")
        return
    say(f"model     {place}  (fetch it with `alphabar pull {shlex.quote(target)} FOLDER`)")
