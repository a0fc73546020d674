"""Tables of names: the weights of our U-Net under the names, and in the shapes, of another format, and back.

A format says where each of our modules lies (`Place`) and what the layers inside it are called (`Leaves`). Everything
else is here: which weights there are, 1×1 convolutions that are linear layers with us, and the rows of q, k and v.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from alphabar.errors import AlphabarError

Sizes = Mapping[str, Tensor]
"""Our weights by name; tensors without values will do."""
Leaves = Mapping[str, tuple[str, ...]]
"""Our layer inside a module -> theirs: one, or the three whose rows are those of ours, in order."""


@dataclass(frozen=True)
class Place:
    """Our module, theirs, and what the layers inside are called."""

    ours: str
    theirs: str
    leaves: Leaves


PLAIN: Leaves = {"": ("",)}
"""A module that is one layer."""


@dataclass(frozen=True)
class Layout:
    """Which modules our network has: `levels` of the U-Net, `blocks` in each of the encoder."""

    sizes: Sizes

    @property
    def levels(self) -> int:
        """The number of resolutions."""
        return 1 + max(int(name.split(".")[1]) for name in self.sizes if name.startswith("down."))

    @property
    def blocks(self) -> int:
        """Residual blocks per level of the encoder."""
        return 1 + max(int(name.split(".")[3]) for name in self.sizes if name.startswith("down.0.blocks."))

    def has(self, module: str) -> bool:
        """Whether the network has a module of this name."""
        return any(name.startswith(f"{module}.") for name in self.sizes)


@dataclass(frozen=True)
class Entry:
    """One weight of ours, and the tensors of theirs whose rows it has.

    tail: how many sides of 1 theirs have at the end. heads: if set, their rows are those of the first head's q, k and
    v, then of the second head's; ours are those of q for all heads, then of k, then of v.
    """

    ours: str
    theirs: tuple[str, ...]
    shape: tuple[int, ...]
    tail: int
    heads: int | None

    @property
    def their_shape(self) -> tuple[int, ...]:
        """The shape of each of their tensors."""
        return (self.shape[0] // len(self.theirs), *self.shape[1:], *[1] * self.tail)

    def read(self, parts: Iterable[Tensor]) -> Tensor:
        """Our tensor from theirs."""
        whole = torch.cat([part.reshape(part.shape[: len(self.shape)]) for part in parts])
        return whole if self.heads is None else self._swapped(whole, self.heads, 3)

    def written(self, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Their tensors from ours."""
        whole = tensor if self.heads is None else self._swapped(tensor, 3, self.heads)
        for name, part in zip(self.theirs, whole.chunk(len(self.theirs)), strict=True):
            yield name, part.reshape(self.their_shape).clone()

    def _swapped(self, tensor: Tensor, first: int, second: int) -> Tensor:
        """Rows that are grouped by `first`, then `second`, grouped by `second`, then `first`."""
        rows = tensor.reshape(first, second, -1, *self.shape[1:])
        return rows.transpose(0, 1).reshape(self.shape)


def entries(
    places: Iterable[Place],
    sizes: Sizes,
    tails: Mapping[str, int],
    heads: Callable[[int], int] | None = None,
) -> list[Entry]:
    """Every weight of `sizes` at its place.

    tails: our layer -> the sides of 1 that its weight has with them. heads: the number of heads of an attention of so
    many channels, if their rows of q, k and v are grouped by head.
    """
    found = []
    for place in places:
        for ours, theirs in place.leaves.items():
            for kind in ("weight", "bias"):
                name = _joined(place.ours, ours, kind)
                if name not in sizes:
                    continue
                shape = tuple(sizes[name].shape)
                number = heads(shape[0] // 3) if heads and ours == "qkv" else None
                tail = tails.get(ours, 0) if kind == "weight" else 0
                keys = tuple(_joined(place.theirs, leaf, kind) for leaf in theirs)
                found.append(Entry(name, keys, shape, tail, number))
    if unplaced := sizes.keys() - {entry.ours for entry in found}:
        raise AlphabarError(f"{sorted(unplaced)[0]} has no place in that format.")
    return found


def _joined(*parts: str) -> str:
    return ".".join(part for part in parts if part)


def to_ours(foreign: Mapping[str, Tensor], table: Iterable[Entry], source: str) -> dict[str, Tensor]:
    """Our weights, float32; AlphabarError for a key that is missing, left over, or of another shape."""
    ours, left = {}, set(foreign)
    for entry in table:
        for key in entry.theirs:
            if key not in foreign:
                raise AlphabarError(
                    f"{source} has no weight {key}, of shape {list(entry.their_shape)}, which its network needs."
                )
            left.discard(key)
            have, need = tuple(foreign[key].shape), entry.their_shape
            if _core(have, len(entry.shape)) != _core(need, len(entry.shape)):
                raise AlphabarError(f"{key} in {source} has the shape {list(have)}; this network needs {list(need)}.")
        tensor = entry.read(foreign[key] for key in entry.theirs).to(torch.float32).contiguous()
        if not bool(tensor.isfinite().all()):
            raise AlphabarError(f"{entry.theirs[0]} in {source} is not finite, so its training had diverged.")
        ours[entry.ours] = tensor
    if left:
        raise AlphabarError(
            f"{source} has {len(left)} weights for which this network has no place, such as {_natural(left)[0]}."
        )
    return ours


def from_ours(ours: Mapping[str, Tensor], table: Iterable[Entry]) -> dict[str, Tensor]:
    """Their weights."""
    return {key: tensor for entry in table for key, tensor in entry.written(ours[entry.ours])}


def _core(shape: tuple[int, ...], dims: int) -> tuple[int, ...]:
    """A shape of `dims` sides without the sides of 1 behind them; the whole shape if other sides follow."""
    return shape[:dims] if prod(shape[dims:]) == 1 else shape


def _natural(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)])
