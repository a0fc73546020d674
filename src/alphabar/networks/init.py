"""The initialization of a U-Net's weights."""

import torch
from torch import nn

from alphabar.networks.attention import Attention
from alphabar.networks.layers import Block
from alphabar.networks.style import Style


@torch.no_grad()
def initialize(network: nn.Module, style: Style) -> None:
    """Initializes every layer as `style.init` says, then sets the last layer of each block and attention to zero."""
    if style.init == "fan_avg":  # for "torch", PyTorch has initialized the layers already
        network.apply(_fan_avg_uniform)
    network.apply(_zero_last)


def zero(layer: nn.Conv2d | nn.Linear) -> None:
    """Sets weights and biases to 0, so that a residual branch that ends in `layer` adds nothing at first."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


def _fan_avg_uniform(module: nn.Module) -> None:
    """Weights ~ U(−√(3 / n), √(3 / n)) with n = (fan_in + fan_out) / 2, biases 0.

    TensorFlow calls this variance scaling (fan_avg, uniform), PyTorch calls it Xavier.
    """
    if isinstance(module, nn.Conv2d | nn.Linear):
        zero(module)
        nn.init.xavier_uniform_(module.weight)
    elif isinstance(module, Attention):  # visited after its children; q, k and v are three layers here, not one of 3C
        for projection in module.qkv.weight.chunk(3):
            nn.init.xavier_uniform_(projection)


def _zero_last(module: nn.Module) -> None:
    if isinstance(module, Block):
        zero(module.conv2)
    elif isinstance(module, Attention):
        zero(module.out)
