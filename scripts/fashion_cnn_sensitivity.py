"""What FD-fashion-cnn makes of the test images of Fashion-MNIST, changed in one way each (docs/evaluation.md).

OMP_NUM_THREADS=1 python scripts/fashion_cnn_sensitivity.py
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from alphabar import data
from alphabar.metrics import EXTRACTORS, Features, Moments, frechet_distance, moments

EXTRACTOR = EXTRACTORS["fashion-cnn"](None, torch.device("cpu"))
SHIRT = 6


def main() -> None:
    torch.manual_seed(0)
    train = data.load("fashion_mnist")
    test = data.load("fashion_mnist", data.DataOptions(split="test"))
    x = test.images
    real = measured(train.images)
    changes = {
        "none": x,
        "one grey level darker": as_bytes(x.float() - 1),
        "one pixel to the right": F.pad(x, (1, -1)),
        "no shirts": x[test.labels != SHIRT],
        "mirrored": x.flip(3),
        **{f"noise {s}": as_bytes(x + s * torch.randn(x.shape)) for s in (2, 4, 8, 16)},
        "blurred 3x3": as_bytes(F.avg_pool2d(F.pad(x.float(), (1, 1, 1, 1)), 3, 1)),
    }
    for name, changed in changes.items():
        print(f"{name:24} {frechet_distance(real, measured(changed)):.4f}", flush=True)


def as_bytes(x: Tensor) -> Tensor:
    return x.round().clamp(0, 255).to(torch.uint8)


def measured(images: Tensor) -> Moments:
    return moments(Features.of(torch.cat([EXTRACTOR(part)[0] for part in images.split(500)])))


if __name__ == "__main__":
    main()
