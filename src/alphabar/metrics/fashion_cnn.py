"""The small classifier of the extractor `fashion-cnn`; scripts/train_fashion_cnn.py trains its bundled weights."""

import torch.nn.functional as F
from torch import Tensor, nn

SHA256 = "53a0ba9f0c386f94ce6030a0992fb6074d6880ae1bc3407a656dfddb81dc0360"
"""The hash of the bundled weights. An extractor with other weights gets another name."""
FEATURES = 128
CLASSES = 10
SIDE = 32


class FashionCNN(nn.Module):
    """x (N, 1, 32, 32) in [-1, 1] -> features (N, 128), the spatial mean of the last maps, and logits (N, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _block(1, 32), nn.MaxPool2d(2), _block(32, 64), nn.MaxPool2d(2), _block(64, 96), _block(96, FEATURES)
        )
        self.head = nn.Linear(FEATURES, CLASSES)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features for the distances and logits for the class score, in one pass."""
        features = self.layers(x).mean((2, 3))
        return features, self.head(features)


def to_canvas(images: Tensor) -> Tensor:
    """uint8 (N, 1, H, W), H, W <= 32 -> (N, 1, 32, 32), centred on black. A 28x28 image and its padded copy agree."""
    height, width = images.shape[2:]
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    return F.pad(images, (left, SIDE - width - left, top, SIDE - height - top))


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )
