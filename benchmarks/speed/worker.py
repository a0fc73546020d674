"""The process of one side and one row: it makes the step, and does a turn for each line it is sent.

    python -m benchmarks.speed.worker SIDE ROW DEVICE

Lines of JSON go back: what was made, then the seconds of each "turn", and for "report" the FLOPs and the peak memory.
"""

import gc
import json
import os
import resource
import sys
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from benchmarks.speed.made import Made
from benchmarks.speed.sides import SIDES
from benchmarks.speed.workload import UNITS, WORKLOADS, Workload
from torch.utils.flop_counter import FlopCounterMode


def main(side: str, row: str, device_name: str) -> None:
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what packages print must not come between the lines
    torch.set_num_threads(1)
    torch.manual_seed(0)
    work, device, (name, option) = WORKLOADS[row], torch.device(device_name), SIDES[side]
    module = import_module(f"benchmarks.speed.{name}")
    imports = resident_mib()
    made: Made = module.make(work, device, option)
    turn(made, work, device)  # the first calls allocate
    say(out, {"parameters": made.parameters, "precision": made.precision, "why": made.why})
    for line in sys.stdin:
        say(out, turn(made, work, device) if line == "turn\n" else report(made, work, device, imports))


def say(out: Any, answer: dict[str, Any]) -> None:
    print(json.dumps(answer), file=out, flush=True)


def turn(made: Made, work: Workload, device: torch.device) -> dict[str, float]:
    """The seconds of one step of the workload's, by each clock."""
    gc.collect()  # not in the middle of a turn
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(work.steps // made.steps):
        made.step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    spans = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    made.rest()
    return {clock: seconds / work.steps for clock, seconds in spans.items()}


def report(made: Made, work: Workload, device: torch.device, imports: float) -> dict[str, float]:
    """The peak memory of all turns, and the FLOPs of a step, counted after them."""
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(device) / 2**20
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10 - imports
    if work.task in UNITS:
        return {"peak_mib": peak}
    with FlopCounterMode(display=False) as counter:
        made.step()
    return {"peak_mib": peak, "flops": counter.get_total_flops()}


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


if __name__ == "__main__":
    with suppress(BrokenPipeError):  # nobody gives turns any more
        main(*sys.argv[1:])
