"""Runs the sides one after the other, scores their images and prints the table."""

import argparse
import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import benchmarks.race
from benchmarks.race import frozen, picture, table
from benchmarks.race.task import Task

LUCIDRAINS = "pip install --no-deps denoising-diffusion-pytorch==2.3.4 einops ema-pytorch accelerate tqdm"
SIDES = {
    "alphabar-unconditional": ("alphabar_side", "alphabar", "pip install -e ."),
    "diffusers": ("diffusers_side", "diffusers", "pip install diffusers"),
    "diffusers-tuned": ("diffusers_side", "diffusers", "pip install diffusers"),
    "lucidrains": ("lucidrains_side", "denoising_diffusion_pytorch", LUCIDRAINS),
    "alphabar": ("alphabar_side", "alphabar", "pip install -e ."),
}
"""The module of each side, the package that it needs, and how to install that."""
ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1"}


def arguments() -> argparse.Namespace:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("benchmarks.race", description=benchmarks.race.__doc__, formatter_class=raw)
    add = parser.add_argument
    add("out", type=Path, metavar="OUT")
    add("--minutes", type=float, default=10.0, help="CPU minutes of training for each side")
    add("--seeds", type=int, nargs="+", default=[0])
    add("--sides", nargs="+", choices=SIDES, default=list(SIDES)[:4], help="all but alphabar if left out")
    add("--count", type=int, default=2500, help="images of each side and sampler")
    add("--samplers", nargs="+", help="of the peers, for example sde-dpmsolver++-10; all if left out")
    add("--recipe", default="fashion_mnist", help="its data set, and its network for every side but lucidrains")
    add("--data", help="images of your own: a folder or a file; the recipe is planned for them once, if it needs that")
    add("--data-root", help="where the files of the data set lie")
    add("--split", choices=("train", "test"), default="train", help="the real images that samples are scored against")
    add("--rate", type=float, help="the learning rate of diffusers-tuned; the recipe's if left out")
    add("overrides", nargs="*", metavar="SECTION.KEY=VALUE", help="settings of the recipe")
    return parser.parse_args()


def race(task: Task) -> None:
    """Run a side in a process of its own, unless it is finished or its package is missing."""
    name, record = task.path.name, task.path / "task.json"
    module, package, install = SIDES[name]
    if (task.path / "done.json").exists():
        if record.read_text() != task.text():
            raise SystemExit(f"{task.path} was made with other options (its task.json); name another OUT.")
        return
    if find_spec(package) is None:
        print(f"The side {name} is skipped: {package} is not installed; run `{install}`.", file=sys.stderr)
        return
    shutil.rmtree(task.path, ignore_errors=True)
    task.path.mkdir(parents=True)
    record.write_text(task.text())
    print(f"{task.path}: {task.minutes:g} CPU minutes, then {task.count:,} images per sampler", file=sys.stderr)
    command = [sys.executable, "-m", f"benchmarks.race.{module}", str(record)]
    with (task.path / "log.txt").open("w") as log:
        if subprocess.run(command, env=ONE_THREAD, stdout=log, stderr=log, check=False).returncode:
            raise SystemExit(f"The side {name} failed; {log.name} says why.")


def score(task: Task, split: str) -> None:
    """Score each .npz of a finished side that has no score yet."""
    data = task.settings["data"]
    features = "fashion-cnn" if data["name"] == "fashion_mnist" else "efficientnet-lite0"
    options = ["--reference", str(data["path"] or data["name"]), "--split", split, "--features", features]
    options += ["--resize", data["resize"], "--background", ",".join(map(str, data["background"])), "--device", "cpu"]
    options += ["--data-root", str(data["root"])] if data["root"] else []
    for path in sorted(task.path.glob("*.npz")):
        if (target := path.with_suffix(".score.json")).exists():
            continue
        command = [sys.executable, "-m", "alphabar", "evaluate", str(path), *options]
        answer = subprocess.run(command, env=ONE_THREAD, stdout=subprocess.PIPE, check=True).stdout
        if json.loads(answer)["reference"]["fingerprint"] != task.images(split).fingerprint():
            raise SystemExit(f"{path} was scored against other images than those of the recipe.")
        target.write_bytes(answer)


def main() -> None:
    a = arguments()
    recipe = frozen.freeze(a.out, a.recipe, a.data, a.data_root, a.minutes, a.overrides)
    for seed in a.seeds:
        for side in (name for name in SIDES if name in a.sides):  # alphabar first: see peer.budget
            folder, samplers = str(a.out / f"seed{seed}" / side), a.samplers and tuple(a.samplers)
            task = Task(folder, recipe, seed, a.minutes, a.count, samplers, a.rate)
            race(task)
            score(task, a.split)
    print(table.write(a.out, list(SIDES)))
    picture.write(a.out, table.read(a.out, list(SIDES)), task, a.split)


if __name__ == "__main__":
    main()
