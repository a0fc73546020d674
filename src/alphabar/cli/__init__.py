"""The command line: one file per command. It starts without importing torch."""

import os
import sys
from typing import Annotated

import typer

import alphabar
from alphabar.cli import data, recipes, sample, train
from alphabar.errors import AlphabarError

app = typer.Typer(
    name="alphabar",
    help="ᾱ: train, sample and explain denoising diffusion models of images.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("train")(train.train)
app.command("sample")(sample.sample)
app.command("recipes")(recipes.recipes)
app.add_typer(data.app, name="data")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"alphabar {alphabar.__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say it.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; a mistake of the user's is one sentence on stderr and exit status 2."""
    # Threads that wait should yield: spinning ones make a step several times slower when the cores are shared.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        app()
    except AlphabarError as error:
        if "--debug" in sys.argv:
            raise
        print(f"alphabar: {error}", file=sys.stderr)
        sys.exit(2)
