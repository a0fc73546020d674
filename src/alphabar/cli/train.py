"""`alphabar train`: a recipe, a folder of images, a run."""

import contextlib
import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer

from alphabar import terminal
from alphabar.cli import options as o
from alphabar.errors import Exit
from alphabar.terminal.signals import EXIT, SAVE

_Handler = Callable[[int, FrameType | None], object] | signal.Handlers


def train(
    recipe: Annotated[
        str, typer.Argument(help="A name from `alphabar recipes`, a .toml file, or a run, to resume it.")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="section.key=value, e.g. training.batch_size=64; see `alphabar settings`."),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Your own images: a folder, or a file.")] = None,
    data_root: o.DataRoot = None,
    run: Annotated[
        Path | None, typer.Option(help="The run directory; if left out, runs/NAME of --data, or runs/RECIPE.")
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="The time of training; the same as training.minutes=N.")] = None,
    device: o.Device = "auto",
    allow: Annotated[
        list[str] | None, typer.Option(metavar="SETTING", help="Change this setting of a run on purpose; repeatable.")
    ] = None,
    from_run: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Start from the weights of this run, checkpoint, bundled model, file, folder of diffusers, or "
            "hf:owner/name.",
            metavar="RUN",
        ),
    ] = None,
    from_step: Annotated[
        str | None, typer.Option(help="Of this step of --from, or 'best'; the newest if left out.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Build all, time a few steps; write nothing.")] = False,
) -> None:
    """Train a model; the same command again, or `alphabar train RUN`, resumes where it stopped.

    The run directory is self-contained: `alphabar sample` needs nothing else.
    """
    from alphabar import distributed
    from alphabar.api import train as trainer

    if dry_run and not distributed.is_main():
        return
    if dry_run:
        with distributed.alone():
            for line in trainer.rehearsed(
                recipe, data, overrides or (), data_root, device, from_run, from_step, run, allow or (), minutes
            ):
                terminal.say(line)
        return
    with _signals():
        trained = trainer.train(
            recipe,
            data=data,
            run=run,
            minutes=minutes,
            overrides=overrides or (),
            data_root=data_root,
            device=device,
            allow=allow or (),
            from_run=from_run,
            from_step=from_step,
        )
        terminal.outlive()
        if not distributed.is_main():
            raise typer.Exit(Exit.DONE if trained.finished else Exit.INTERRUPTED)
        for name, place in {"samples": "samples", "loss curve": "loss.png", "weights": "checkpoints"}.items():
            if _holds_something(trained.path / place):
                terminal.say(f"{name:12}{trained.path / place}")
        if _holds_something(trained.path / "checkpoints"):
            terminal.say(f"next        alphabar sample {shlex.quote(str(trained.path))}")
    if not trained.finished:
        raise typer.Exit(Exit.INTERRUPTED)


def _holds_something(path: Path) -> bool:
    return any(path.glob("[!.]*")) if path.is_dir() else path.exists()


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """What signals do where there is nothing to save: while images are read, say, or curves are drawn at the end.

    Ctrl-C ends the program at once, without a traceback. The other signals that ask a training to exit end it with the
    status of an interrupted run, so that a scheduler starts it again. The one that asks to save does nothing.
    """
    if threading.current_thread() is not threading.main_thread():  # other threads cannot set handlers
        yield
        return
    wanted: dict[signal.Signals, tuple[object, _Handler]] = dict.fromkeys(EXIT, (signal.SIG_DFL, _leave)) | {
        signal.SIGINT: (signal.default_int_handler, _stop),
        SAVE: (signal.SIG_DFL, signal.SIG_IGN),
    }
    before = {number: signal.getsignal(number) for number in wanted}
    for number, (usual, handler) in wanted.items():
        if before[number] is usual:  # and not ignored, as by nohup, or handled by a program around us
            signal.signal(number, handler)
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def _leave(number: int, frame: FrameType | None) -> None:
    name = signal.Signals(number).name
    _exit(f"{name} came while no step was made; a run keeps the checkpoints that it has.", Exit.INTERRUPTED)


def _stop(number: int, frame: FrameType | None) -> None:
    _exit("stopped at once; a run keeps the checkpoints that it has.", Exit.AT_ONCE)


def _exit(sentence: str, status: int) -> NoReturn:
    with contextlib.suppress(OSError):
        show_cursor = "\x1b[?25h" if sys.stderr.isatty() else ""
        os.write(2, f"{show_cursor}\nalphabar: {sentence}\n".encode())
    os._exit(status)
