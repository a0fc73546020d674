"""The rounds of a row: every side in its own process, one at a time, in alternating order."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any

from benchmarks.speed import sides
from benchmarks.speed.workload import WORKLOADS


class Side:
    """A worker, made and waiting for its turns."""

    def __init__(self, name: str, row: str, device: str) -> None:
        command = [sys.executable, "-m", "benchmarks.speed.worker", name, row, device]
        pipe = subprocess.PIPE
        self.name = name
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)
        self.made = self.answer()

    def answer(self) -> Any:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"The process of {self.name} ended; what it wrote above says why.")
        return json.loads(line)

    def ask(self, command: str) -> Any:
        assert self.process.stdin
        print(command, file=self.process.stdin, flush=True)
        return self.answer()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


def measured(row: str, rounds: int, device: str) -> dict[str, dict[str, Any]]:
    """By side: what it made, its seconds in each round by each clock, and its report."""
    with ExitStack() as running:
        taking_part: list[Side] = []
        for name in sides.of(WORKLOADS[row]):
            taking_part.append(Side(name, row, device))
            running.callback(taking_part[-1].end)
        check_sizes(taking_part)
        seconds: dict[str, list[dict[str, float]]] = {side.name: [] for side in taking_part}
        for turn in range(rounds):
            for side in alternating(taking_part, turn):
                seconds[side.name].append(side.ask("turn"))
        return {
            side.name: side.made
            | {"seconds": {clock: [one[clock] for one in seconds[side.name]] for clock in ("cpu", "wall")}}
            | side.ask("report")
            for side in taking_part
        }


def alternating(taking_part: list[Side], turn: int) -> Iterable[Side]:
    return taking_part if turn % 2 == 0 else reversed(taking_part)


def check_sizes(taking_part: list[Side]) -> None:
    """alphabar's and diffusers' networks must be equally large; lucidrains' cannot be."""
    like_ours = (sides.OURS, sides.AUTO, sides.THEIRS, sides.TUNED)
    counts = {side.name: side.made["parameters"] for side in taking_part if side.name in like_ours}
    if len(set(counts.values())) != 1:
        raise SystemExit(f"The networks differ in size, so a ratio would mean nothing: {counts}.")
