"""training.precision=auto: what trains this network faster on this machine, fp32 or bf16. It stays the run's own."""

import time
from collections.abc import Mapping

import torch
from torch import Tensor

from alphabar import build, distributed
from alphabar.config import Config, ImageFacts
from alphabar.networks.precision import AUTO, autocast, faster

LEAST, LONG = 8, 0.2
"""Images in the first step, and about the seconds that a later one takes, if it has more of them."""


def settled(config: Config, facts: ImageFacts, device: torch.device) -> tuple[Config, str | None]:
    """The config with a precision in the place of auto, and the line that says why; of several processes one measures.

    Nothing else changes: the weights of the run are drawn anew from its seed.
    """
    if config.training.precision != AUTO:
        return config, None
    with distributed.alike(), distributed.alone():
        own = _measured(config, facts, device)
    name, ratio = distributed.of_main(own)
    training = config.training.model_copy(update={"precision": name})
    line = f"training.precision={name}: a step in bf16 is {ratio:.2f} times as fast as one in fp32 here"
    return config.model_copy(update={"training": training}), line


def _measured(config: Config, facts: ImageFacts, device: torch.device) -> tuple[str, float]:
    network = build.place(build.network(config, facts), device).train()

    def step(dtype: torch.dtype | None, inputs: Mapping[str, Tensor]) -> None:
        autocast(network, device.type, dtype)(**inputs).square().mean().backward()  # type: ignore[no-untyped-call]
        network.zero_grad()

    batch = config.training.micro_batch_size or config.training.batch_size
    few = build.example(config, facts, min(batch, LEAST), device)
    step(None, few)
    began = time.perf_counter()
    step(None, few)
    seconds = time.perf_counter() - began
    # As many images as there is time for: the weights are cast once for all.
    inputs = build.example(config, facts, min(batch, max(LEAST, int(LEAST * LONG / seconds))), device)
    return faster(lambda dtype: step(dtype, inputs), device)
