"""Whole tensors of shares, and shares of whole tensors: FSDP2 keeps weights, averages and moments as DTensors."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor


def whole(tensor: Tensor) -> Tensor:
    """The whole tensor, of which every process holds a share; a usual tensor as it is. All processes call it."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def share(tensor: Tensor, like: Tensor) -> Tensor:
    """The share of `tensor`, which every process holds whole, that `like` has."""
    if not isinstance(like, DTensor):
        return tensor
    return distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements, src_data_rank=None)


def all_whole(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`whole` of each."""
    return {name: whole(tensor) for name, tensor in tensors.items()}


@torch.no_grad()
def load(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Put whole tensors into a network that may be shared out."""
    own = network.state_dict()
    for name, tensor in tensors.items():
        own[name].copy_(share(tensor, own[name]))
