"""How fast a network is trained here, measured on noise in a few steps."""

import time

import torch

from alphabar import data, distributed
from alphabar.config import Config, ImageFacts
from alphabar.training.planning.precision import settled
from alphabar.training.state import TrainState
from alphabar.training.step import Update, train_step

LEAST, MOST, PATIENCE = 2, 10, 2.0
"""The fewest and the most steps that are timed, and the seconds after which there are enough. The step before them, in
which memory and kernels are prepared, is not."""
ON_CPU, ON_GPU = 16, 128
"""Images in a batch of the measurement, if those of the run are no fewer."""


def images_per_second(config: Config, size: tuple[int, int], device: torch.device) -> float:
    """Training images of that (H, W) a second, without classes; the mean of a few steps, however busy the machine is.

    It is measured on one process, and that times their number where there are several.

    torch.OutOfMemoryError if a batch does not fit into the memory of a GPU.
    """
    batch = min(ON_CPU if device.type == "cpu" else ON_GPU, config.training.batch_size)
    plain = config.network.model_copy(update={"class_conditional": False, "label_dropout": 0.0})
    facts = ImageFacts(shape=(config.data.channels or 3, *size), class_names=(), fingerprint="")
    config, _ = settled(config.model_copy(update={"network": plain}), facts, device)
    state = TrainState(config, facts, device)
    update = Update.of(state, device, None)
    images = torch.randint(0, 256, (batch, *facts.shape), dtype=torch.uint8)
    spans: list[float] = []
    while len(spans) <= LEAST or (len(spans) <= MOST and sum(spans) < PATIENCE):
        began = time.perf_counter()
        float(train_step(update, state, data.Batch(images, None)))  # waits for the device
        spans.append(time.perf_counter() - began)
    _, *warm = spans
    return distributed.launched() * batch * len(warm) / sum(warm)
