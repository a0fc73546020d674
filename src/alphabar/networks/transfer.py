"""The weights of one U-Net for another one: other image channels, classes, levels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

IN, OUT, CLASSES, BIAS = "conv_in.weight", "conv_out.", "embedding.classes.weight", "embedding.linear2.bias"


@dataclass(frozen=True)
class Transfer:
    """Weights for a network, and the names of those that were taken, adapted, left as they were, and not used."""

    tensors: Mapping[str, Tensor]
    taken: tuple[str, ...]
    adapted: tuple[str, ...]
    anew: tuple[str, ...]
    unused: tuple[str, ...]


def transferred(
    own: Mapping[str, Tensor], other: Mapping[str, Tensor], rows: Sequence[int | None], has_null_class: bool
) -> Transfer:
    """`own`, the weights of a new network, with those of `other` that have the same name and shape in their place.

    Three kinds are adapted. The first layer: from 1 channel to 3, each gets a third of the weights, and from 3 to 1 it
    gets their sum, so that the response to a grey image stays; for an upsampler, the weights of its small image start
    at 0, if the other network has none. The last layer: from 1 to 3 it is repeated, and from 3
    to 1 it is the mean. The table of classes: a row of the same class is taken, and any other class starts as no class.

    rows: for each class of the new network, its row in the table of the other one, if it knows that class.
    has_null_class: whether the last row of the other table is that of no class.
    """
    adapted = _channels(own, other) | _classes(own, other, rows, has_null_class)
    taken = {name: tensor for name, tensor in other.items() if name in own and own[name].shape == tensor.shape}
    tensors = {name: tensor.to(own[name]) for name, tensor in (dict(own) | taken | adapted).items()}
    return Transfer(
        tensors,
        taken=tuple(name for name in taken if name not in adapted),
        adapted=tuple(adapted),
        anew=tuple(name for name in own if name not in taken and name not in adapted),
        unused=tuple(name for name in other if name not in taken and name not in adapted),
    )


def _channels(own: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The first and the last layer, if one network is for grey images and the other one for RGB."""
    if IN not in own or IN not in other:
        return {}
    old, new = other[IN].shape[1], own[IN].shape[1]
    if new == 2 * old:
        return {IN: torch.cat([other[IN], torch.zeros_like(other[IN])], dim=1)}
    if (old, new) not in ((1, 3), (3, 1)):
        return {}
    first = other[IN].repeat(1, 3, 1, 1) / 3 if new == 3 else other[IN].sum(1, keepdim=True)
    layers = {IN: first}
    for name in (name for name in other if name.startswith(OUT)):
        parts = other[name].reshape(
            -1, old, *other[name].shape[1:]
        )  # the mean of a reverse step, and its variance if that is learned
        wide = parts.repeat_interleave(3, 1) if new == 3 else parts.mean(1, keepdim=True)
        layers[name] = wide.flatten(0, 1)
    return {name: tensor for name, tensor in layers.items() if name in own and own[name].shape == tensor.shape}


def _classes(
    own: Mapping[str, Tensor], other: Mapping[str, Tensor], rows: Sequence[int | None], has_null_class: bool
) -> dict[str, Tensor]:
    """The table of classes; or what it adds for no class, in the bias beside it, if the new network has no table."""
    if BIAS not in own or BIAS not in other or own[BIAS].shape != other[BIAS].shape:
        return {}
    table = other.get(CLASSES)
    none = torch.zeros_like(other[BIAS]) if table is None else table[-1] if has_null_class else table.mean(0)
    if CLASSES not in own:
        return {} if table is None else {BIAS: other[BIAS] + none}
    known = [none if table is None or row is None else table[row] for row in rows]
    return {CLASSES: torch.stack([*known, *[none] * (len(own[CLASSES]) - len(known))])}
