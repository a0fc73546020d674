"""Measures the rows, one after the other, prints the tables and writes them."""

import argparse
import json
import shlex
import sys
from pathlib import Path
from typing import Any

import benchmarks.speed
from benchmarks.speed import machine, row, sides, start_up, table, turns
from benchmarks.speed.workload import WORKLOADS

START_UP = "start-up"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed",
        description=benchmarks.speed.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [*WORKLOADS, START_UP]
    parser.add_argument("--rows", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--rounds", type=int, default=9, metavar="N", help="turns of each side (default: 9)")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="where networks run (default: cpu)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was measured, after every row")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables")
    parser.add_argument("--from", type=Path, metavar="FILE", dest="earlier", help="measure nothing: show this JSON")
    request = parser.parse_args()
    if request.earlier:
        show(json.loads(request.earlier.read_text()), request.markdown)
        return
    if request.rounds < 1:
        parser.error(f"--rounds must be at least 1; got {request.rounds}.")
    command = shlex.join(["python", "-m", "benchmarks.speed", *sys.argv[1:]])
    result: dict[str, Any] = {"command": command, "machine": machine.described(request.device)}
    result |= {"rounds": request.rounds, "skipped": sides.skipped() | sides.ELSEWHERE, "rows": []}
    for side, why in result["skipped"].items():
        print(f"{side} is skipped: {why}")
    for name in request.rows:
        measure(name, request, result)
        if request.json:
            request.json.write_text(json.dumps(result, indent=1) + "\n")
    show(result, request.markdown)


def show(result: dict[str, Any], out: Path | None) -> None:
    """Print the tables, and write them if there is a place."""
    text = table.markdown(result)
    print(text)
    if out:
        out.write_text(table.kept(text, out.read_text() if out.exists() else ""))


def measure(name: str, request: argparse.Namespace, result: dict[str, Any]) -> None:
    """Add a row to the result."""
    print(f"{name} ...", flush=True)
    if name == START_UP:
        result["start_up"] = start_up.measured(request.rounds)
        return
    clock = WORKLOADS[name].clock(request.device)
    result["rows"].append(row.summary(name, turns.measured(name, request.rounds, request.device), clock))
    for side, own in result["rows"][-1]["sides"].items():
        print(f"  {side:16} {own['precision']}: {own['why']}", flush=True)


if __name__ == "__main__":
    main()
