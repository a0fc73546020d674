"""The network behind FID: Inception-v3 as in TensorFlow's graph "inception-2015-12-05" (Heusel et al. 2017).

Its layers have the names of the converted weights that pytorch-fid and torch-fidelity share. It is not torchvision's:
average pools leave the padding out of the mean, the last block pools by maximum, and there are 1008 classes.
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
    """AlphabarError unless the file is the published one."""
    weights.verified(path, INCEPTION_SHA256)


def to_input(images: Tensor) -> Tensor:
    """uint8 (N, 3, H, W) -> (N, 3, 299, 299) in [-1, 1): resized and scaled as inside that graph."""
    return (tf1_bilinear(images.to(torch.float32), (SIDE, SIDE)) - 128) / 128


class Inception(nn.Module):
    """x (N, 3, 299, 299) -> features (N, 2048), the mean of the last maps over space, and logits (N, 1008).

    The logits are without the bias of the last layer, because those of the Inception Score are ("logits_unbiased").
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
        """Both at once: the score needs the one, the distances the other."""
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(halving(x)))
        x = halving(x)
        for name in BLOCKS:
            x = getattr(self, name)(x)
        features = x.mean((2, 3))
        return features, features @ self.fc.weight.T
