"""`alphabar pull`: a run from the Hugging Face Hub."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from alphabar.terminal import say


def pull(
    source: Annotated[str, typer.Argument(help="hf:owner/name, which `alphabar push` published.")],
    out: Annotated[Path, typer.Argument(help="A new folder for the run.")],
) -> None:
    """Fetch a run from the Hugging Face Hub, and verify it."""
    from alphabar.api import hub

    path = hub.pull(source, out)
    command = f"alphabar sample {shlex.quote(str(out))}"
    say(f"run       {out}  ({path.stat().st_size / 1e6:.1f} MB of weights; sample it with `{command}`)")
