"""The rows: what network on what images, and whether it is trained, sampled, or left out of a sampler's step."""

from dataclasses import dataclass
from typing import Any

TRAIN, SAMPLE, CHAIN = "train", "sample", "chain"
CHAIN_STEPS = 1000


@dataclass(frozen=True)
class Workload:
    """`steps` steps of `batch` images (C, 32, 32) are one turn; `network` are settings of a recipe's [network]."""

    task: str
    image_channels: int
    batch: int
    steps: int
    network: dict[str, Any]

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.image_channels, 32, 32


def network(channels: int, channel_mult: list[int], num_blocks: int, attention: int, dropout: float) -> dict[str, Any]:
    return {
        "channels": channels,
        "channel_mult": channel_mult,
        "num_blocks": num_blocks,
        "attention_resolutions": [attention],
        "dropout": dropout,
    }


SMALL = network(16, [1, 2, 4, 4], 1, 8, 0.0)  # that of recipe fashion_mnist
MIDDLE = network(64, [1, 2, 2], 2, 16, 0.0)
LARGE = network(128, [1, 2, 2, 2], 2, 16, 0.1)  # that of recipe ddpm_cifar10
WORKLOADS = {
    "train-1.1M": Workload(TRAIN, 1, 32, 2, SMALL),
    "sample-1.1M": Workload(SAMPLE, 1, 32, 4, SMALL),
    "train-6.5M": Workload(TRAIN, 3, 16, 1, MIDDLE),
    "sample-6.5M": Workload(SAMPLE, 3, 8, 2, MIDDLE),
    "train-35.7M": Workload(TRAIN, 3, 8, 1, LARGE),
    "sample-35.7M": Workload(SAMPLE, 3, 8, 1, LARGE),
    "sampler-step": Workload(CHAIN, 3, 8, CHAIN_STEPS, MIDDLE),
}
