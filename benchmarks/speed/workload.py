"""The rows: what network on what images is trained or sampled, and what is measured beside the networks."""

from dataclasses import dataclass, field
from typing import Any

from alphabar.names import SAMPLERS

TRAIN, SAMPLE = "train", "sample"
CHAIN, FOLDER, PACKED, SAVE, FEATURES = "chain", "folder", "packed", "save", "features"
UNITS = {
    CHAIN: "step of 8 images",
    FOLDER: "image, from its file on",
    PACKED: "image, in a later epoch",
    SAVE: "checkpoint, by the clock",
    FEATURES: "image",
}
"""Task beside the networks -> what one step of it is."""
CHAIN_STEPS = 250
FILES = 256


@dataclass(frozen=True)
class Workload:
    """`steps` steps of `batch` images (C, 32, 32) are one turn; `network` are settings of a recipe's [network].

    option: which sampler or extractor it is.
    """

    task: str
    image_channels: int
    batch: int
    steps: int
    network: dict[str, Any] = field(default_factory=dict)
    option: str = ""

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.image_channels, 32, 32

    def clock(self, device: str) -> str:
        """The clock that counts: a processor's time, but by the clock on a GPU, and where a thread writes."""
        return "wall" if device != "cpu" or self.task == SAVE else "cpu"


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
}
WORKLOADS |= {f"step-{name}": Workload(CHAIN, 3, 8, CHAIN_STEPS, MIDDLE, name) for name in SAMPLERS}
WORKLOADS |= {
    "load-folder": Workload(FOLDER, 3, 64, FILES),
    "load-packed": Workload(PACKED, 3, 64, FILES),
    "checkpoint": Workload(SAVE, 3, 1, 1, MIDDLE),
    "features": Workload(FEATURES, 1, 256, 256, option="fashion-cnn"),
    "features-lite0": Workload(FEATURES, 3, 16, 16, option="efficientnet-lite0"),
}
