"""The command line: one file per command. It starts without importing torch."""

import os
import sys
from typing import Annotated

import typer

import alphabar
from alphabar.cli import (
    data,
    decode,
    encode,
    evaluate,
    export,
    film,
    inpaint,
    interpolate,
    plot,
    recipes,
    sample,
    settings,
    train,
    vary,
)
from alphabar.errors import AlphabarError

app = typer.Typer(
    name="alphabar",
    help="ᾱ: train, sample, evaluate and explain diffusion models of images.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("train")(train.train)
app.command("sample")(sample.sample)
app.command("film")(film.film)
app.command("evaluate")(evaluate.evaluate)
app.command("export")(export.export)
app.command("interpolate")(interpolate.interpolate)
app.command("inpaint")(inpaint.inpaint)
app.command("encode")(encode.encode)
app.command("decode")(decode.decode)
app.command("vary")(vary.vary)
app.command("recipes")(recipes.recipes)
app.command("settings")(settings.settings)
app.add_typer(data.app, name="data")
app.add_typer(plot.app, name="plot")


def _version(is_set: bool) -> None:
    if is_set:
        typer.echo(f"alphabar {alphabar.__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; give it before or after the command.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; a user's mistake is one sentence on stderr and exit status 2."""
    # Threads that wait should yield: spinning ones make a step several times slower when the cores are shared.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    debug = "--debug" in sys.argv
    sys.argv = evaluate.with_kind([arg for arg in sys.argv if arg != "--debug"])
    try:
        app()
    except (AlphabarError, OSError, MemoryError, RuntimeError) as error:
        if debug or not (sentence := _sentence(error)):
            raise
        print(f"alphabar: {sentence}", file=sys.stderr)
        sys.exit(2)


NO_MEMORY = ("out of memory", "not enough memory", "can't allocate memory")
"""Words of torch's errors for memory that could not be allocated; other errors speak of memory too."""


def _sentence(error: Exception) -> str | None:
    """The sentence for an error that the user can correct; None for a bug, whose traceback is shown."""
    if isinstance(error, AlphabarError):
        return str(error)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}."
    if isinstance(error, MemoryError) or any(words in str(error) for words in NO_MEMORY):
        return f"There is not enough memory ({error}); try a smaller training.micro_batch_size or --batch-size."
    return None
