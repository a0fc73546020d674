"""How the weights of a U-Net start."""

import torch
from torch import nn

from alphabar.networks.attention import Attention
from alphabar.networks.layers import Block
from alphabar.networks.style import Style


@torch.no_grad()
def initialize(network: nn.Module, style: Style) -> None:
    """The style's distribution for every layer, then exact zeros for the last of each block and of each attention."""
    if style.init == "fan_avg":  # "torch" is what PyTorch has done already
        network.apply(_fan_avg_uniform)
    network.apply(_zero_last)


def zero(layer: nn.Conv2d | nn.Linear) -> None:
    """Weights and biases 0: what the layer is added to passes unchanged at first."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


def _fan_avg_uniform(module: nn.Module) -> None:
    """U(−√(3 / n), √(3 / n)), n = (fan_in + fan_out) / 2: TensorFlow's variance scaling, PyTorch's Xavier; biases 0."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        zero(module)
        nn.init.xavier_uniform_(module.weight)
    elif isinstance(module, Attention):  # visited after its children: q, k and v count as three layers, not one of 3C
        for projection in module.qkv.weight.chunk(3):
            nn.init.xavier_uniform_(projection)


def _zero_last(module: nn.Module) -> None:
    if isinstance(module, Block):
        zero(module.conv2)
    elif isinstance(module, Attention):
        zero(module.out)
