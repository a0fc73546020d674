"""The network of FID: Inception-v3 as in TensorFlow's graph "inception-2015-12-05" (Heusel et al. 2017).

Its layers are named as in the converted weights of pytorch-fid and torch-fidelity. It differs from torchvision's
Inception: average pools leave the padding out of the mean, the last block uses a max pool, and there are 1008 classes.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from alphabar.metrics import weights
from alphabar.metrics.inception_blocks import BLOCKS, Conv, Mixed, halving
from alphabar.metrics.resize import tf1_bilinear

INCEPTION_FILE = "pt_inception-2015-12-05-6726825d.pth"
INCEPTION_URLS = (
    f"https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/{INCEPTION_FILE}",
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
)
INCEPTION_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
FEATURES = 2048
CLASSES = 1008
SIDE = 299


def check_inception(path: Path) -> None:
    """Raises AlphabarError unless `path` is the published file of weights."""
    weights.verified(path, INCEPTION_SHA256)


def to_input(images: Tensor) -> Tensor:
    """uint8 (N, 3, H, W) -> (N, 3, 299, 299) in [-1, 1), resized and scaled as in TensorFlow's graph."""
    return (tf1_bilinear(images.to(torch.float32), (SIDE, SIDE)) - 128) / 128


class Inception(nn.Module):
    """x (N, 3, 299, 299) -> features (N, 2048), the spatial mean of the last maps, and logits (N, 1008).

    The logits leave out the bias of the last layer, as the Inception Score does (torch-fidelity's "logits_unbiased").
    """

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Conv(3, 32, (3, 3), stride=2)
        self.Conv2d_2a_3x3 = Conv(32, 32, (3, 3))
        self.Conv2d_2b_3x3 = Conv(32, 64, (3, 3), padding=(1, 1))
        self.Conv2d_3b_1x1 = Conv(64, 80, (1, 1))
        self.Conv2d_4a_3x3 = Conv(80, 192, (3, 3))
        channels = 192
        for name, (branches, pool) in BLOCKS.items():
            block = Mixed(channels, branches, pool)
            self.add_module(name, block)
            channels = block.channels
        self.fc = nn.Linear(channels, CLASSES)
        self.requires_grad_(False).eval()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features for the distances and logits for the Inception Score, in one pass."""
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(halving(x)))
        x = halving(x)
        for name in BLOCKS:
            x = getattr(self, name)(x)
        features = x.mean((2, 3))
        return features, features @ self.fc.weight.T
