"""The commands: train, measure, bits, report."""

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import benchmarks.race
import torch
from benchmarks.race.likelihood import bits
from benchmarks.race.measuring import Wanted, measure
from benchmarks.race.picture import picture
from benchmarks.race.report import report
from benchmarks.race.rows import rows
from benchmarks.race.sides import SIDES
from benchmarks.race.task import Task, Terms, tasks_in

from alphabar.errors import AlphabarError
from alphabar.registry import look_up

INTERRUPTED = 4


def parsed() -> argparse.Namespace:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("benchmarks.race", description=benchmarks.race.__doc__, formatter_class=raw)
    commands = parser.add_subparsers(dest="part", required=True)
    train, measure, bits, report = (commands.add_parser(name) for name in ("train", "measure", "bits", "report"))
    for part in (train, measure, bits, report):
        part.add_argument("folder", type=Path)
    for part in (train, measure, bits):
        part.add_argument("--data", help="the data set, and the recipe of that name")
        part.add_argument("--seed", "--seeds", dest="seeds", type=int, nargs="+")
        part.add_argument("--sides", nargs="+", help=f"of {', '.join(SIDES)}; all if left out")
        part.add_argument("--jobs", type=int, default=2, help="processes at once; one for each core")
    train.set_defaults(data="fashion_mnist", seeds=[0], sides=list(SIDES))
    train.add_argument("--minutes", type=float, default=30.0, help="of CPU time, for each side")
    train.add_argument("--peer-batch", type=int, help="images per update of the others; their own default if left out")
    train.add_argument(
        "--lucidrains-dim", type=int, help="the width of its U-Net, 64 in its README; ours in size if left out"
    )
    train.add_argument(
        "--calibration-steps",
        type=int,
        default=Terms.calibration_steps,
        help="updates by which alphabar reckons its length",
    )
    measure.add_argument("--count", type=int, default=5000, help="images of each side and sampler")
    measure.add_argument("--samplers", nargs="+", help="by name; all if left out")
    measure.add_argument("--slow", action="store_true", help="their slow defaults too: 1000 and 250 network calls")
    measure.add_argument("--slow-count", type=int, default=1000, help="images of those")
    bits.add_argument("--count", type=int, default=64, help="test images; each costs T network calls")
    return parser.parse_args()


def asked(a: argparse.Namespace) -> list[Task]:
    """The tasks that a command is about."""
    for side in a.sides or ():
        look_up(SIDES, side, "side")
    if a.part == "train":
        return [Task(a.folder, a.data, seed, side) for seed in a.seeds for side in a.sides]
    wanted = {"data": a.data and [a.data], "seed": a.seeds, "side": a.sides}
    return [t for t in tasks_in(a.folder) if all(v is None or getattr(t, k) in v for k, v in wanted.items())]


def alone(a: argparse.Namespace, task: Task) -> int:
    """Do one task in this process; returns its exit status."""
    torch.set_num_threads(1)
    with task.locked():
        if a.part == "measure":
            measure(task, Wanted(a.count, a.slow, a.slow_count, a.samplers))
            return 0
        if a.part == "bits":
            bits(task, a.count)
            return 0
        terms = Terms(a.minutes, a.peer_batch, a.lucidrains_dim, a.calibration_steps)
        task.agree(terms)
        if not task.is_trained and not SIDES[task.side].train(task, terms):
            print(f"{task.side}: interrupted and saved; the same command goes on from here", file=sys.stderr)
            return INTERRUPTED
    return 0


def together(a: argparse.Namespace, tasks: list[Task]) -> int:
    """Each task in a process of its own, the same command for one side; `--jobs` of them at once."""

    thread = os.environ | {"OMP_NUM_THREADS": "1"}

    def run(task: Task) -> int:
        one = ["--data", task.data, "--seeds", str(task.seed), "--sides", task.side]  # the last word counts
        return subprocess.run(
            [sys.executable, "-m", "benchmarks.race", *sys.argv[1:], *one], check=False, env=thread
        ).returncode

    with ThreadPoolExecutor(a.jobs) as pool:
        try:
            return next((code for code in pool.map(run, tasks) if code), 0)  # of a killed one it is negative
        except KeyboardInterrupt:  # the children have it too, and save
            pool.shutdown(cancel_futures=True)
            return INTERRUPTED


def write_report(folder: Path) -> int:
    """The tables to stdout, a picture for each data set into the folder."""
    print(report(folder))
    for data, found in rows(folder).items():
        picture(folder, data, found, folder / f"{data}.png")
    return 0


def main() -> int:
    a = parsed()
    try:
        if a.part == "report":
            return write_report(a.folder)
        tasks = asked(a)
        if not tasks:
            raise AlphabarError(f"{a.folder} holds nothing of that kind that is trained; train it first.")
        return alone(a, tasks[0]) if len(tasks) == 1 else together(a, tasks)
    except AlphabarError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
