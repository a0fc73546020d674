"""`alphabar launch`: another command on several processes of this machine, by torchrun."""

import logging
import os
from typing import Annotated

import typer

from alphabar.errors import AlphabarError, Exit

PATIENCE = 600
"""Seconds that the processes have for their last step and checkpoint, after a signal to leave."""
SHARED = ("train", "sample", "evaluate")
"""The commands whose work several processes share."""


def launch(
    context: typer.Context,
    processes: Annotated[int, typer.Option("-n", "--processes", min=1, help="How many; with GPUs, one for each.")],
    restarts: Annotated[
        int, typer.Option(min=0, help="How often to start all again after one has failed; a training resumes.")
    ] = 0,
) -> None:
    """Run train, sample or evaluate on several processes of this machine: alphabar launch -n 2 train RECIPE ...

    For several machines, see docs/scale.md.
    """
    command = context.args[0] if context.args else ""
    if command not in SHARED:
        what = f"'{command}' is not" if command else "none is"
        raise AlphabarError(f"`alphabar launch -n {processes}` is followed by {', '.join(SHARED)}; {what}.")

    from torch.distributed import run as torchrun
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    options = ["--standalone", f"--nproc-per-node={processes}", f"--max-restarts={restarts}"]
    options += [f"--shutdown-timeout={PATIENCE}", "-m", "--", "alphabar", *context.args]
    logging.disable(logging.ERROR)  # of torchrun: the processes say what went wrong
    try:
        torchrun.run(torchrun.parse_args(options))  # type: ignore[no-untyped-call]
    except ChildFailedError as error:
        raise typer.Exit(_status(error.get_first_failure()[1].exitcode)) from None
    except SignalException:
        raise typer.Exit(Exit.INTERRUPTED) from None


def _status(exit_code: int) -> int:
    """The exit status of a process as a shell has it: 128 + the number of the signal that ended it."""
    return exit_code if exit_code >= 0 else 128 - exit_code
