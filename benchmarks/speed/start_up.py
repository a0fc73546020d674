"""CPU seconds of short commands, each in a new process: what one waits for before the work begins."""

import os
import subprocess
import sys
import tempfile
from statistics import median

IMPORT_TORCH = "import torch"
SAMPLE = "alphabar sample fashion-mnist --num 1"
KEEPS_NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
"""Where it is set, Python would compile the package, and nothing else, at every start."""


def measured(rounds: int) -> dict[str, list[float]]:
    """By command: its CPU seconds in each round, after one that fills the caches."""
    alphabar = ["-m", "alphabar"]
    with tempfile.TemporaryDirectory() as folder:
        sample = [*alphabar, "sample", "fashion-mnist", "--num", "1", "--out"]
        commands = {
            "python": ["-c", "pass"],
            IMPORT_TORCH: ["-c", "import torch"],
            "import alphabar": ["-c", "import alphabar"],
            "alphabar --help": [*alphabar, "--help"],
            SAMPLE: sample,
        }
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for turn in range(rounds + 1):
            for name, arguments in commands.items():
                where = [f"{folder}/{turn}"] if name == SAMPLE else []
                spent = cpu_seconds([sys.executable, *arguments, *where])
                if turn:
                    seconds[name].append(spent)
    return seconds


def cpu_seconds(command: list[str]) -> float:
    quiet = subprocess.DEVNULL
    environment = {name: value for name, value in os.environ.items() if name != KEEPS_NO_BYTECODE}
    environment["OMP_NUM_THREADS"] = "1"
    process = subprocess.Popen(command, stdout=quiet, stderr=subprocess.PIPE, env=environment)
    assert process.stderr
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed: {said.decode()}")
    return usage.ru_utime + usage.ru_stime


def beyond_torch(seconds: dict[str, list[float]]) -> float:
    """The median over the rounds of what `sample` uses more than `import torch`."""
    return median(a - b for a, b in zip(seconds[SAMPLE], seconds[IMPORT_TORCH], strict=True))
