"""`alphabar import`: a model of another program, as a run."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from alphabar import names
from alphabar.terminal import say


def import_run(
    source: Annotated[str, typer.Argument(help="A file of weights, a folder of diffusers, or hf:owner/name.")],
    run: Annotated[Path, typer.Option(help="The new run directory.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[section.key=value]...", help="What the file does not say, as network.heads=1."),
    ] = None,
    kind: Annotated[
        str | None, typer.Option("--as", help=f"{names.listed(names.FORMATS)}; found out if left out.")
    ] = None,
    new_attention_order: Annotated[
        bool | None,
        typer.Option(
            "--new-attention-order/--old-attention-order",
            help="guided-diffusion's use_new_attention_order, where a file is none of the released ones.",
        ),
    ] = None,
) -> None:
    """Make a run of a model of OpenAI's, diffusers' or pesser's, to sample, evaluate, edit, and start from."""
    from alphabar.api.foreign import import_run as imported

    path, notes = imported(source, run, format=kind, new_attention_order=new_attention_order, overrides=overrides or ())
    for note in notes:
        say(f"note: {note}")
    place = shlex.quote(str(path))
    say(f"run       {path}  (sample it with `alphabar sample {place}`, start from it with --from {place})")
