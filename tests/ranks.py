"""Two processes, as torchrun starts them."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ALPHABAR = ("-m", "alphabar")


def two_ranks(
    *args: object, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    """`torchrun --nproc-per-node 2 ARGS`, with `env` on top of the environment."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.run(
        [*torchrun, *map(str, args)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **(env or {})},
        cwd=cwd,
        check=False,
    )
