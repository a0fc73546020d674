"""Several processes that work together: started by torchrun, as users do, or forked from this one, which is faster."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path

from alphabar import cli, distributed

ALPHABAR = ("-m", "--", "alphabar")


def two_ranks(
    *args: object, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    """`torchrun --nproc-per-node 2 ARGS`, with `env` on top of the environment.

    One at a time, whatever the number of pytest's own processes: each takes three times the memory of torch.
    """
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    with (Path(tempfile.gettempdir()) / f"alphabar-two-ranks-{os.getuid()}.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        return subprocess.run(
            [*torchrun, *map(str, args)],
            capture_output=True,
            text=True,
            timeout=300,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            check=False,
        )


def forked(
    world_size: int, work: Callable[[], object], started: Callable[[list[int]], None] | None = None, joined: bool = True
) -> list[int]:
    """Run `work` in so many processes, in a `distributed.session`; the exit status of each, negative for a signal.

    started: called with the process numbers, while they work. joined: False for work that opens the session itself.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = [_fork(world_size, rank, port, work, joined) for rank in range(world_size)]
    try:
        if started:
            started(processes)
        return [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes]
    except BaseException:
        for process in processes:
            os.kill(process, signal.SIGKILL)
        raise


def commanded(world_size: int, output: Path, *args: object) -> list[int]:
    """`alphabar ARGS` in so many processes, which write what they say into the file `output`; the status of each."""

    def work() -> object:
        sys.argv = ["alphabar", *map(str, args)]
        with output.open("a") as said:
            os.dup2(said.fileno(), 1)
        sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
        return cli.main()

    return forked(world_size, work, joined=False)


def _fork(world_size: int, rank: int, port: int, work: Callable[[], object], joined: bool) -> int:
    if process := os.fork():
        return process
    status = 1
    try:
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "LOCAL_RANK": rank}
        if world_size > 1:
            os.environ.update({name: str(value) for name, value in place.items()})
            os.environ.update(RANK=str(rank), WORLD_SIZE=str(world_size))
        with distributed.session() if joined else nullcontext():
            work()
        status = 0
    except SystemExit as end:
        status = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)
