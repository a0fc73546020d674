"""Origin, what is packed: the pictures of each split, in an order that never changes."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from alphabar.data.contents import Contents
from alphabar.data.decoding import Traits
from alphabar.data.fit import Pixels
from alphabar.data.options import DataOptions
from alphabar.data.survey import Skipped


@dataclass(frozen=True)
class Picture:
    """One image uint8 (C, H, W)."""

    pixels: Pixels
    label: int = -1
    """The number of its class; -1 for none."""
    stored: int = 0
    """`fit.kept_values` of it."""
    traits: Traits | None = None
    """What was seen of it; None if the contents of its split are known already."""


@dataclass(frozen=True)
class Pictures:
    """The images of a split."""

    read: Callable[[int], Iterator[Picture | Skipped]]
    """The images from this number on, and those that cannot be used, in order."""
    total: int | None
    """Their number with those that cannot be used; None if it is known only at the end."""
    contents: Contents
    class_names: tuple[str, ...] | None = ()
    """None if the numbers that occur become the classes; empty if there are no classes."""
    skipped: tuple[Skipped, ...] = ()
    """Images that are known not to be usable before they are read; not part of `total`."""


@dataclass(frozen=True)
class Origin:
    """What is packed."""

    name: str
    source: str
    """What it is, as text for people."""
    digest: str
    """The sha256 of the files and of how they are read: equal digests, equal pictures."""
    shape: tuple[int, int, int]
    """(C, H, W) of the images as they are packed."""
    options: DataOptions
    """How files become images. Of random crops, the larger part is packed."""
    splits: Mapping[str, Pictures]
    divides: bool = False
    """Whether options.holdout of the images of `train` are still to become the test split."""
