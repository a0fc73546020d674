"""Two processes, as torchrun starts them."""

import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

ALPHABAR = ("-m", "alphabar")


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
