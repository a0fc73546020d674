"""What each switch for fast devices gains here: the seconds without it over those with it, in turns.

    python -m benchmarks.gpu_switches FILE [--device cuda] [--rounds 5] [--steps 20] [--images 64] [--only SWITCH]
                                           [section.key=value ...]

training.images_on_device, sampling.cuda_graphs and training.compile, with recipe fashion_mnist (1.1 M parameters, in
bf16, noise for images) and the bundled model. FILE holds JSON, and is written anew after each switch.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch

import alphabar
from alphabar import build, data
from alphabar import config as c
from alphabar.networks.compiled import graphs
from alphabar.sampling.pipeline import Pipeline
from alphabar.training.state import TrainState
from alphabar.training.step import Update, train_step

IMAGES = 60_000
PLAIN = ["training.precision=bf16", "training.images_on_device=never", "network.class_conditional=false",
         "network.label_dropout=0"]  # fmt: skip


def training(device: torch.device, overrides: list[str], steps: int) -> Callable[[], object]:
    """So many training steps."""
    config = c.load("fashion_mnist", [*PLAIN, *overrides])
    pixels = torch.randint(0, 256, (IMAGES, 1, 32, 32), dtype=torch.uint8)
    images = data.ImageSet("noise", pixels, None, (), "noise")
    state = TrainState(config, build.image_facts(images), device)
    update = Update.of(state, device, None)
    stream = data.ShuffledStream(data.resident(images, device, config.training.images_on_device), 0)

    def run() -> None:
        for _ in range(steps):
            train_step(update, state, stream.batch(state.images, config.training.batch_size))

    return run


def sampling(device: torch.device, use: bool, count: int) -> Callable[[], object]:
    """So many images of the bundled model."""
    model = alphabar.load("fashion-mnist", device=device.type).loaded
    pipeline = Pipeline.of(model, {"cuda_graphs": use}, "each")
    return lambda: pipeline.images(pipeline.job(range(count)), bar="")


def compared(without: Callable[[], object], used: Callable[[], object], device: torch.device, rounds: int) -> Any:
    """The ratios of the rounds, and the seconds of each first turn, in which a side is compiled or captured."""

    def seconds(work: Callable[[], object]) -> float:
        began = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - began

    first = {"without": round(seconds(without), 3), "with": round(seconds(used), 3)}
    before = graphs()
    ratios = [seconds(without) / seconds(used) for _ in range(rounds)]
    spread = {"median": median(ratios), "lowest": min(ratios), "highest": max(ratios)}
    return spread | {"first_turn": first, "graphs_compiled_later": graphs() - before}


def main() -> None:
    """Write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--images", type=int, default=64, help="images of a turn of sampling (default: 64)")
    parser.add_argument("--only", action="append", metavar="SWITCH", help="this switch alone; may be given again")
    parser.add_argument("overrides", nargs="*")
    given = parser.parse_args()
    device, more, steps, count = build.device(given.device), given.overrides, given.steps, given.images
    pairs: dict[str, Callable[[], tuple[Callable[[], object], Callable[[], object]]]] = {
        switch: lambda used=f"{switch}={value}": (training(device, more, steps), training(device, [*more, used], steps))
        for switch, value in {"training.images_on_device": "always", "training.compile": "true"}.items()
    }
    pairs["sampling.cuda_graphs"] = lambda: (sampling(device, False, count), sampling(device, True, count))
    found: dict[str, Any] = {}
    if unknown := set(given.only or ()) - set(pairs):
        parser.error(f"--only must name one of {', '.join(pairs)}; got {', '.join(sorted(unknown))}.")
    for switch in sorted(given.only or pairs, key="training.compile".__eq__):  # it may take longer than there is time
        found[switch] = compared(*pairs[switch](), device, given.rounds)
        given.file.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
