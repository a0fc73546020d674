"""What each choice in the recipe `fashion_mnist` is worth in a short training: one switch, everything else as the base.

    OMP_NUM_THREADS=1 python benchmarks/switches.py train FOLDER [--share K/N] [--only NAME ...] [--seed S]
    OMP_NUM_THREADS=1 python benchmarks/switches.py measure FOLDER [--share K/N] [--only NAME ...]
    python benchmarks/switches.py report FOLDER

The base is the recipe as it was before this was measured (BASE); its optimizer is chosen by the table. Every run sees
the same number of images (--images), so that a row compares learning per image; "forward" says what an image costs.
What depends on the length of a training (EMA, learning rate, dropout) is seen at this length alone. The score is
FD-fashion-cnn of 2,500 images drawn as the recipe draws them. The commands go on where they stopped;
--share 0/2 and 1/2 are two halves of the work for two processes.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from safetensors.torch import load_file

COUNT = 2500
ALPHABAR = (sys.executable, "-m", "alphabar")
ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1"}
BASE = ("optimizer.learning_rate=2e-3", "optimizer.decay=cosine", "training.batch_size=64")
"""What the recipe said before, where it says otherwise now."""
THE_BASE = "the base"
RAW = "raw weights in place of the average"
"""The one row that needs no training of its own."""
SWITCHES: dict[str, tuple[str, ...]] = {
    THE_BASE: (),
    "no EMA warm-up": ("training.ema_warmup=false",),
    "EMA rate 0.99, no warm-up": ("training.ema_warmup=false", "training.ema_rates=[0.99]"),
    "t uniform, not antithetic": ("diffusion.timestep_sampler=uniform",),
    "no min-SNR weights": ("diffusion.weighting=none",),
    "eps, not v": ("diffusion.parameterization=eps",),
    "fixed_small, L_simple": ("diffusion.variance=fixed_small", "diffusion.objective=simple"),
    "linear schedule": ("diffusion.schedule=linear",),
    "horizontal flips": ("data.horizontal_flip=true",),
    "constant learning rate": ("optimizer.decay=constant",),
    "cooldown, not cosine": ("optimizer.decay=cooldown",),
    "half the learning rate": ("optimizer.learning_rate=1e-3",),
    "twice the learning rate": ("optimizer.learning_rate=4e-3",),
    "four times the learning rate": ("optimizer.learning_rate=8e-3",),
    "twice the learning rate, constant": ("optimizer.learning_rate=4e-3", "optimizer.decay=constant"),
    "twice the learning rate, cooldown": ("optimizer.learning_rate=4e-3", "optimizer.decay=cooldown"),
    "batches of 32": ("training.batch_size=32",),
    "batches of 16": ("training.batch_size=16",),
    "batches of 32, cooldown": ("training.batch_size=32", "optimizer.decay=cooldown"),
    "batches of 32, twice the learning rate, cooldown": (
        "training.batch_size=32",
        "optimizer.learning_rate=4e-3",
        "optimizer.decay=cooldown",
    ),
    "dropout 0.1": ("network.dropout=0.1",),
    "no label dropout": ("network.label_dropout=0",),
    "unconditional": ("network.class_conditional=false", "network.label_dropout=0"),
    "deeper, narrower": ("network.num_blocks=2", "network.channels=13"),
    "three levels": ("network.channel_mult=[1,2,4]",),
    "wide where small": ("network.channel_mult=[1,2,4,5]",),
    "wide everywhere, three levels": ("network.channel_mult=[1,2,2]", "network.channels=20"),
    "no attention": ("network.attention_resolutions=[]",),
}


def folder_of(folder: Path, name: str, seed: int) -> Path:
    return folder / f"{name.replace(' ', '-').replace(',', '')}-seed{seed}"


def overrides(name: str, seed: int, images: int) -> list[str]:
    """What a run sets beside the recipe."""
    length = ("training.epochs=none", f"training.images={images}", f"training.seed={seed}")
    quiet = ("training.sample_every=0", "training.checkpoint_every=250", "training.keep_checkpoints=1")
    return [*BASE, *SWITCHES[name], *length, *quiet]


def train(folder: Path, names: list[str], seed: int, images: int) -> int:
    """The exit status: that of the first training that fails or is interrupted, else 0."""
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C reaches the training, which saves
    for name in names:
        where = ["--run", str(folder_of(folder, name, seed)), "--device", "cpu"]
        command = [*ALPHABAR, "train", "fashion_mnist", *overrides(name, seed, images), *where]
        if status := subprocess.run(command, env=ONE_THREAD, check=False).returncode:
            return status
    return 0


def measure(folder: Path, names: list[str], seed: int, images: int) -> None:
    """FD of each finished run; a run that has been measured is not measured again."""
    for name in names:
        measure_one(folder_of(folder, name, seed), name, "ema", images)
        if name == THE_BASE:
            measure_one(folder_of(folder, name, seed), RAW, "raw", images)


def measure_one(path: Path, name: str, weights: str, images: int) -> None:
    kept, checkpoints = path / f"measured-{weights}.json", sorted((path / "checkpoints").glob("step-*"))
    if kept.exists() or not checkpoints:
        return
    state = json.loads((checkpoints[-1] / "state.json").read_text())
    if state["images"] < images:
        return
    options = ["--metrics", "fd,pr", "--features", "fashion-cnn", "--count", str(COUNT), "--weights", weights]
    command = [*ALPHABAR, "evaluate", str(path), *options, "--device", "cpu"]
    row = json.loads(subprocess.run(command, env=ONE_THREAD, stdout=subprocess.PIPE, check=True).stdout)
    parameters = sum(tensor.numel() for tensor in load_file(next(checkpoints[-1].glob("ema-*.safetensors"))).values())
    settings = [setting for switch in (BASE, SWITCHES.get(name, ())) for setting in switch]
    measured = {"name": name, "metrics": row["metrics"], "parameters": parameters, "mmacs": forward_mmacs(settings)}
    kept.write_text(json.dumps(measured | {key: state[key] for key in ("images", "seconds")}))


def forward_mmacs(settings: list[str]) -> float:
    """Million multiply-adds of one image's forward pass, with these settings beside the recipe's."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from alphabar import build
    from alphabar import config as c

    config = c.load("fashion_mnist", settings)
    network = build.network(config, c.ImageFacts(shape=(1, 32, 32), class_names=tuple("0123456789"), fingerprint=""))
    label = torch.zeros(1, dtype=torch.long) if config.network.class_conditional else None
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 1, 32, 32), torch.zeros(1, dtype=torch.long), *([] if label is None else [label]))
    flops: int = counter.get_total_flops()
    return flops / 2e6


def report(folder: Path) -> None:
    """Markdown, the best first: FD, and in what ratio it is to that of the base, on the same seeds."""
    found: dict[str, dict[str, Any]] = {}
    for kept in sorted(folder.glob("*-seed*/measured-*.json")):
        one = json.loads(kept.read_text())
        found.setdefault(one["name"], {})[kept.parent.name.rsplit("-seed", 1)[1]] = one
    base = {seed: fd(one)["value"] for seed, one in found.get(THE_BASE, {}).items()}
    columns = ["", "seeds", "images seen", "parameters", "forward, MMAC", "wall min"]
    columns += ["FD-fashion-cnn", "÷ the base's", "precision", "recall"]
    print(f"| {' | '.join(columns)} |")
    print("|" + "---|" * len(columns))
    for name, seeds in sorted(found.items(), key=lambda item: fmean(fd(one)["value"] for one in item[1].values())):
        some = next(iter(seeds.values()))
        ratios = [fd(one)["value"] / base[seed] for seed, one in seeds.items() if seed in base]
        quality = [
            fmean(one["metrics"][f"{q}-fashion-cnn"]["value"] for one in seeds.values())
            for q in ("precision", "recall")
        ]
        cells = [
            name, len(seeds), f"{some['images']:,}", f"{some['parameters']:,}", f"{some['mmacs']:.1f}",
            f"{fmean(one['seconds'] for one in seeds.values()) / 60:.1f}",
            shown([fd(one)["value"] for one in seeds.values()], fd(some)["standard_error"]),
            shown(ratios, None) if ratios else "", *(f"{value:.3f}" for value in quality),
        ]  # fmt: skip
        print(f"| {' | '.join(map(str, cells))} |")


def fd(one: dict[str, Any]) -> dict[str, float]:
    metric: dict[str, float] = one["metrics"]["FD-fashion-cnn"]
    return metric


def shown(values: list[float], error: float | None) -> str:
    """The mean over seeds ± its standard error; of one seed, that of drawing."""
    if len(values) > 1:
        error = stdev(values) / len(values) ** 0.5
    return f"{fmean(values):.2f}" + ("" if error is None else f" ± {error:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("train", "measure", "report"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--share", default="0/1")
    parser.add_argument("--only", nargs="+", choices=SWITCHES, default=list(SWITCHES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--images", type=int, default=64_000)
    arguments = parser.parse_args()
    k, n = map(int, arguments.share.split("/"))
    share = arguments.only[k::n]
    if arguments.part == "train":
        raise SystemExit(train(arguments.folder, share, arguments.seed, arguments.images))
    if arguments.part == "measure":
        measure(arguments.folder, share, arguments.seed, arguments.images)
    else:
        report(arguments.folder)


if __name__ == "__main__":
    main()
