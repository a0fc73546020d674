"""training.precision=auto: what trains this network faster on this machine, fp32 or bf16. It stays the run's own."""

import torch

from alphabar import build, distributed
from alphabar.config import Config, ImageFacts
from alphabar.networks.precision import AUTO, autocast, faster

ON_CPU, ON_GPU = 8, 64
"""Images in a batch of the measurement, if those of the run are no fewer."""


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
    batch = min(
        ON_CPU if device.type == "cpu" else ON_GPU, config.training.micro_batch_size or config.training.batch_size
    )
    x = torch.randn(batch, *facts.shape, device=device).to(memory_format=torch.channels_last)
    y = torch.zeros(batch, dtype=torch.int64, device=device) if build.class_names(config, facts) else None
    labels = {} if y is None else {"y": y}
    if (low_resolution := config.network.low_resolution) is not None:
        labels["low_res"] = torch.zeros(batch, facts.shape[0], *low_resolution, device=device)

    def step(dtype: torch.dtype | None) -> None:
        out = autocast(network, device.type, dtype)(x, torch.zeros(batch, device=device), **labels)
        out.square().mean().backward()  # type: ignore[no-untyped-call]
        network.zero_grad()

    return faster(step, device)
