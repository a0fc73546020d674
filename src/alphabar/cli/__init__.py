"""The command line: one file per command. It starts without importing torch."""

import io
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

import alphabar
from alphabar import distributed, terminal
from alphabar.cli import (
    compress,
    data,
    decode,
    decompress,
    doctor,
    encode,
    evaluate,
    export,
    film,
    import_run,
    inpaint,
    interpolate,
    launch,
    local_page,
    mistakes,
    plot,
    pull,
    push,
    recipes,
    sample,
    settings,
    train,
    upscale,
    vary,
)
from alphabar.errors import AlphabarError, Exit

app = typer.Typer(
    name="alphabar",
    help="ᾱ: train, sample, evaluate and explain diffusion models of images.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("train")(train.train)
app.command("launch", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(launch.launch)
app.command("sample")(sample.sample)
app.command("upscale")(upscale.upscale)
app.command("film")(film.film)
app.command("evaluate")(evaluate.evaluate)
app.command("export")(export.export)
app.command("import")(import_run.import_run)
app.command("push")(push.push)
app.command("pull")(pull.pull)
app.command("interpolate")(interpolate.interpolate)
app.command("inpaint")(inpaint.inpaint)
app.command("encode")(encode.encode)
app.command("decode")(decode.decode)
app.command("compress")(compress.compress)
app.command("decompress")(decompress.decompress)
app.command("vary")(vary.vary)
app.command("recipes")(recipes.recipes)
app.command("settings")(settings.settings)
app.command("app")(local_page.app)
app.command("doctor")(doctor.doctor)
app.add_typer(data.app, name="data")
app.add_typer(plot.app, name="plot")


def _version(is_set: bool) -> None:
    if is_set:
        terminal.say(f"alphabar {alphabar.__version__}")
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
    """Run the command line; a user's mistake is one sentence on stderr and its exit status."""
    # Threads that wait should yield: spinning ones make a step several times slower when the cores are shared.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    debug = "--debug" in sys.argv
    sys.argv = evaluate.with_kind([arg for arg in sys.argv if arg != "--debug"])
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal without Unicode still shows a table
    try:
        status = app(standalone_mode=False, prog_name="alphabar")
    except typer.Abort:  # Ctrl-C, in older versions of typer
        status = Exit.AT_ONCE
    except Exception as error:
        if debug or not (sentences := mistakes.sentences(error, _options(sys.argv[1:]))):
            raise
        if not distributed.is_said_elsewhere(error):
            who = "alphabar" if distributed.is_main() else f"alphabar, process {distributed.rank()}"
            terminal.say(f"{who}: {sentences[0]}", error=True)
            for sentence in sentences[1:]:
                terminal.say(sentence, error=True)
        status = error.status if isinstance(error, AlphabarError) else Exit.MISTAKE
    sys.exit(int(status) if isinstance(status, int) else Exit.DONE)


def _options(words: Sequence[str]) -> set[str]:
    """The options and arguments of the command that is named in the words of the command line."""
    command = typer.main.get_command(app)
    for word in words:
        command = getattr(command, "commands", {}).get(word, command)
    return {name for parameter in command.params for name in (*parameter.opts, parameter.name)}
