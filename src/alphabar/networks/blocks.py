"""The residual blocks of a network: what is sharded, and what is compiled, one after the other."""

from torch import nn

from alphabar.networks.layers import Block
from alphabar.networks.noisenet_layers import NoiseBlock


def blocks(network: nn.Module) -> list[nn.Module]:
    """The residual blocks, in the order in which the network holds them."""
    return [module for module in network.modules() if isinstance(module, Block | NoiseBlock)]
