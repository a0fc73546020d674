"""IDDPM §6 in miniature: four sizes of a network, each trained on three budgets of images, and evaluated.

    OMP_NUM_THREADS=1 python -m benchmarks.scaling FOLDER [--share K/N]
    alphabar plot scaling FOLDER/* --out scaling.png

Fashion-MNIST at 16x16, L_hybrid, cosine, T = 1000; each run ends its own cosine decay. The widths are such that all
trainings take about 40 CPU-minutes, and the evaluations 15. What is finished is not made again; the order is by cost;
--share 0/2 and 1/2 are two halves of the work for two processes.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.iddpm_in_miniature import COMMON, INTERRUPTED, ONE_THREAD, QUALITY_OPTIONS, SAMPLING

from alphabar.runs import evaluations

CHANNELS = (4, 8, 16, 24)
STEPS = (250, 750, 2250)
BITS_IMAGES = 32
SETTINGS = (
    "network.channel_mult=[1,2,4]",
    "network.attention_resolutions=[4]",
    "diffusion.schedule=cosine",
    "diffusion.steps=1000",
    "diffusion.objective=hybrid",
    "diffusion.variance=learned_range",
    "training.ema_rates=[0.99]",
)


def trained(run: Path, channels: int, steps: int) -> bool:
    """Train or resume; False if it was stopped."""
    overrides = [*COMMON, *SETTINGS, f"network.channels={channels}", f"training.steps={steps}"]
    command = ["train", "ddpm_fashion_mnist", *overrides, "--run", str(run), "--device", "cpu"]
    status = subprocess.run([sys.executable, "-m", "alphabar", *command], env=ONE_THREAD, check=False).returncode
    return status != INTERRUPTED and status >= 0


def evaluated(run: Path) -> None:
    """Bits/dim and FD, where they are not there yet."""
    kept = {name for row in evaluations.read(run) for name in ("bits_per_dim", "metrics") if name in row}
    bits = ("--bpd", "bound", "--count", str(BITS_IMAGES), "--batch-size", str(BITS_IMAGES))
    for name, options in (("bits_per_dim", bits), ("metrics", ("--metrics", "fd", *QUALITY_OPTIONS, *SAMPLING))):
        if name not in kept:
            command = [sys.executable, "-m", "alphabar", "evaluate", str(run), *options, "--device", "cpu"]
            subprocess.run(command, env=ONE_THREAD, stdout=subprocess.DEVNULL, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--share", default="0/1")
    arguments = parser.parse_args()
    folder, (k, n) = arguments.folder, map(int, arguments.share.split("/"))
    cells = sorted(((c, s) for c in CHANNELS for s in STEPS), key=lambda cell: cell[0] ** 2 * cell[1])
    for channels, steps in cells[k::n]:
        run = folder / f"{channels}-channels-{steps}-steps"
        if not trained(run, channels, steps):
            return
        evaluated(run)
        print(run.name, os.times().children_user, flush=True)


if __name__ == "__main__":
    main()
