"""The CPU-seconds of training steps with and without training.compile, one thread, in turns; compiling is apart.

python benchmarks/compiling.py RECIPE BATCH [section.key=value ...]     of the recipe's network, on noise
"""

import resource
import sys
import time
from statistics import median

import torch

from alphabar import config as c
from alphabar import data
from alphabar.networks.compiled import graphs
from alphabar.training.state import TrainState
from alphabar.training.step import Update, train_step

ROUNDS, STEPS = 6, 2
CPU = torch.device("cpu")


def main(recipe: str, batch: str, *overrides: str) -> None:
    torch.set_num_threads(1)
    sides, seconds = {}, {}
    plain = ["network.class_conditional=false", "network.label_dropout=0", *overrides]
    for side in ("plain", "compiled"):
        config = c.load(recipe, [*plain, f"training.compile={str(side == 'compiled').lower()}"])
        channels = 3 if "cifar" in recipe else 1
        state = TrainState(config, c.ImageFacts(shape=(channels, 32, 32), class_names=(), fingerprint=""), CPU)
        sides[side], seconds[side] = (Update.of(state, CPU, None), state), list[float]()
    images = data.Batch(torch.randint(0, 256, (int(batch), *state.facts.shape), dtype=torch.uint8), None)
    for side, (update, state) in sides.items():
        began = time.process_time()
        norm = float(train_step(update, state, images))
        spent = time.process_time() - began + resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        print(f"{side:8} first step {spent:.1f} CPU-s, gradient {norm:.6f}, {graphs()} graphs", flush=True)
        train_step(update, state, images)
    for _ in range(ROUNDS):
        for side, (update, state) in sides.items():
            began = time.process_time()
            for _ in range(STEPS):
                train_step(update, state, images)
            seconds[side].append(time.process_time() - began)
    ratios = [a / b for a, b in zip(seconds["plain"], seconds["compiled"], strict=True)]
    print(f"{sum(weights.numel() for weights in state.network.parameters()):,} parameters, {graphs()} graphs")
    print(f"plain over compiled {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main(*sys.argv[1:])
