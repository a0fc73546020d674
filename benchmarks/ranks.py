"""Training images per second on N processes, against one process of one thread, at the same batch.

    python benchmarks/ranks.py [--processes 2] [--rounds 3] [--recipe fashion_mnist] [SETTING ...]

Prints the medians, and the ratio of each round, because other work on the machine makes all of them slower together.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

LENGTH = ("training.epochs=none", "training.images=none", "training.minutes=none", "training.sample_every=0")


def speed(recipe: str, processes: int, steps: int, settings: list[str]) -> float:
    """Images per second of a training, as its metrics say, without its first steps."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        length = [*LENGTH, f"training.steps={steps}", f"training.log_every={steps // 4}"]
        launch = ["launch", "-n", str(processes)] if processes > 1 else []
        command = [sys.executable, "-m", "alphabar", *launch, "train", recipe, "--run", str(run), "--device", "cpu"]
        one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
        subprocess.run(
            [*command, *length, "sampling.num=1", *settings], env=one_thread, check=True, capture_output=True
        )
        rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return statistics.median(row["images_per_second"] for row in rows[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", nargs="*", help="section.key=value")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--recipe", default="fashion_mnist")
    a = parser.parse_args()
    ones, manies = [], []
    for number in range(1, a.rounds + 1):
        ones.append(speed(a.recipe, 1, a.steps, a.settings))
        manies.append(speed(a.recipe, a.processes, a.steps, a.settings))
        print(
            f"round {number}: {ones[-1]:.1f} and {manies[-1]:.1f} images/s, {manies[-1] / ones[-1]:.2f} x", flush=True
        )
    ratios = sorted(many / one for one, many in zip(ones, manies, strict=True))
    print(
        f"{a.processes} processes: {statistics.median(manies):.1f} images/s, one: {statistics.median(ones):.1f}; "
        f"{statistics.median(ratios):.2f} x ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    )


if __name__ == "__main__":
    main()
