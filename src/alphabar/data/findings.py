"""Pictures that are worth a look before training: nearly blank, duplicate, or smaller than what they become."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from alphabar.data.framing import are_blank
from alphabar.data.glance import Pixels, Thumbnail, composited
from alphabar.data.options import DataOptions
from alphabar.images import BLACK, WHITE, Size


@dataclass(frozen=True)
class Look:
    """What is remembered of a picture: its (H, W), digests of its pixels and of their mirror image, and blankness."""

    size: Size
    digest: bytes
    mirrored: bytes
    blank_on_white: bool
    blank_on_black: bool

    @classmethod
    def at(cls, pixels: Pixels, thumbnail: Thumbnail) -> "Look":
        """The look of a picture (H, W, C)."""
        backgrounds = (WHITE, BLACK) if thumbnail.transparent else (BLACK,)
        blank = [bool(are_blank(composited(thumbnail.pixels, each)[None])[0]) for each in backgrounds]
        return cls(thumbnail.size, _digest(pixels), _digest(pixels, is_mirrored=True), blank[0], blank[-1])


@dataclass(frozen=True)
class Findings:
    """The pictures worth a look, by name."""

    blank: tuple[str, ...]
    """Nearly one colour on the background that they get."""
    blank_on_white: int
    blank_on_black: int
    duplicates: tuple[tuple[str, str], ...]
    """(a picture, an earlier one with the same pixels)."""
    mirrored: tuple[tuple[str, str], ...]
    """(a picture, an earlier one whose mirror image it is)."""
    enlarged: tuple[str, ...]
    """Smaller than they are resized to, so that they become blurred."""


def findings(names: Sequence[str], looks: Sequence[Look], options: DataOptions) -> Findings:
    """What is found in pictures that are read with `options`."""
    duplicates, mirrored = [], []
    earlier: dict[bytes, str] = {}
    for name, look in zip(names, looks, strict=True):
        if look.digest in earlier:
            duplicates.append((name, earlier[look.digest]))
        elif look.mirrored in earlier:
            mirrored.append((name, earlier[look.mirrored]))
        else:
            earlier[look.digest] = name
    height, width = options.image_size or (0, 0)
    grows = options.resize in ("crop", "stretch")

    def are(which: Callable[[Look], bool]) -> tuple[str, ...]:
        return tuple(name for name, look in zip(names, looks, strict=True) if which(look))

    on_white, on_black = are(lambda look: look.blank_on_white), are(lambda look: look.blank_on_black)
    return Findings(
        blank=on_white if options.background == WHITE else on_black,
        blank_on_white=len(on_white),
        blank_on_black=len(on_black),
        duplicates=tuple(duplicates),
        mirrored=tuple(mirrored),
        enlarged=are(lambda look: grows and (look.size[0] < height or look.size[1] < width)),
    )


def _digest(pixels: Pixels, is_mirrored: bool = False) -> bytes:
    if pixels.shape[2] == 4 and pixels.flags.c_contiguous:
        pixels = pixels.view(np.uint32)  # whole pixels are mirrored several times faster
    values = np.ascontiguousarray(pixels[:, ::-1] if is_mirrored else pixels)
    digest = hashlib.sha256(repr(values.shape).encode())
    digest.update(values.data)
    return digest.digest()
