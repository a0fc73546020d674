"""The settings that suit pictures, judged from a sample of them: `alphabar data inspect` and a plan of training ask."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alphabar.data.contents import counted
from alphabar.data.glance import Glance, Pixels, glance
from alphabar.data.mirrored import are_alike
from alphabar.data.options import DataOptions, sized
from alphabar.images import BLACK, WHITE, Colour, Size

_MULTIPLE = 8  # a U-Net that halves the size three times needs sides that 8 divides
_SIDES = (256, 128, 64, 32, 16)
_NEAR = 16  # levels: two colours that differ by less look alike
_BLANK_SHARE = 0.01  # of the values that differ from the rest of the picture
_BORDER_SHARE = 0.95  # of the values at the edge that are near their median
_FEW = 10  # a class with fewer pictures is not learned


@dataclass(frozen=True)
class Advice:
    """The settings that suit the pictures of a training split."""

    image_size: Size
    """(H, W)."""
    resize: str
    """A key of RESIZE_RULES, or "none"."""
    background: Colour
    horizontal_flip: bool
    class_conditional: bool
    count: int
    """The usable pictures of the split."""
    reasons: Mapping[str, str]
    """setting ("data.background", ...) -> why, in a short phrase."""


def advised(options: DataOptions, kind: str, largest: int) -> Advice:
    """The settings for the pictures that `options` name. At most 2,000 of them are read, always the same ones.

    kind: a key of DATASETS. largest: the longest side that the caller can afford. AlphabarError if none is usable.
    """
    return judged(glance(options, kind), largest)


def judged(pictures: Glance, largest: int) -> Advice:
    """The settings for pictures of which a sample was seen."""
    background, why_background = _background(pictures)
    framed = _are_framed(pictures, background)
    size, rule, why_size = suggested(pictures.sizes, largest, keeps_all=framed)
    flip = are_alike(pictures.on(background), pictures.classes)
    several = sum(size >= _FEW for size in pictures.class_sizes) >= 2
    whole = "nothing is cut off: most pictures are transparent or have a plain border"
    rules = {"none": "the pictures have that size", "pad": whole if framed else "every pixel is kept"}
    return Advice(
        image_size=size,
        resize=rule,
        background=background,
        horizontal_flip=flip,
        class_conditional=several,
        count=pictures.count,
        reasons={
            "data.image_size": why_size,
            "data.resize": rules.get(rule, "the pictures fill the frame, and what is beside the centre is cut off"),
            "data.background": why_background,
            "data.horizontal_flip": "mirrored pictures are as near to the others as the pictures themselves"
            if flip
            else "mirrored pictures differ from the others, or are too few to tell",
            "network.class_conditional": _why_classes(pictures.class_sizes, several),
        },
    )


def suggested(sizes: Sequence[Size], largest: int, keeps_all: bool = False) -> tuple[Size, str, str]:
    """The (H, W), the resize rule and why that size; one rule for every caller.

    Pictures of one size of at most `largest` stay as they are, padded to multiples of 8. Others get the largest power
    of two that at least half of them fill with their shorter side; they are padded if `keeps_all`, else cropped.
    """
    if len(set(sizes)) == 1:
        height, width = sizes[0]
        whole = (-(-height // _MULTIPLE) * _MULTIPLE, -(-width // _MULTIPLE) * _MULTIPLE)
        if whole == (height, width) and max(whole) <= largest:
            return whole, "none", f"all pictures are {sized(whole)}"
        if max(whole) <= largest:
            return whole, "pad", f"the pictures are {sized(sizes[0])}, and the network needs multiples of {_MULTIPLE}"
    shorter = sorted(min(size) for size in sizes)
    median = shorter[len(shorter) // 2]
    side = next((side for side in _SIDES if side <= min(median, largest)), _MULTIPLE)
    bound = f", and the limit is {largest}" if largest < 2 * side <= median else ""
    return (side, side), "pad" if keeps_all else "crop", f"the median of the shorter sides is {median}{bound}"


def blanks(pictures: Glance, background: Colour) -> npt.NDArray[np.bool_]:
    """(n,): whether a picture is nearly one colour on this background."""
    return are_blank(pictures.on(background))


def are_blank(thumbnails: Pixels) -> npt.NDArray[np.bool_]:
    """(n,) for uint8 (n, H, W, C): whether nearly all values are near the median of their channel."""
    values = thumbnails.reshape(len(thumbnails), -1, thumbnails.shape[3]).astype(np.int16)
    return np.asarray((np.abs(values - np.median(values, 1, keepdims=True)) >= _NEAR).mean((1, 2)) < _BLANK_SHARE)


def _background(pictures: Glance) -> tuple[Colour, str]:
    """White or black for transparent pictures, whichever leaves fewer blank; else the colour of plain borders."""
    if not pictures.transparent.any():
        return _border(pictures)
    white, black = (int(blanks(pictures, colour)[pictures.transparent].sum()) for colour in (WHITE, BLACK))
    number = counted(int(pictures.transparent.sum()), "transparent picture")
    why = f"of {number}, {white:,} are nearly blank on white and {black:,} on black"
    return (WHITE if white <= black else BLACK), why


def _border(pictures: Glance) -> tuple[Colour, str]:
    """The colour of the borders of opaque pictures, if most have the same one; else black."""
    thumbnails = pictures.on(BLACK)
    plain = _are_plain(thumbnails)
    if plain.mean() > 0.5:
        red, green, blue = np.median(_borders(thumbnails)[plain], 0).astype(int).tolist()
        if _are_framed(pictures, (red, green, blue)):
            return (red, green, blue), "no picture is transparent, and most have a border of this colour"
    return BLACK, "no picture is transparent"


def _edges(thumbnails: Pixels) -> npt.NDArray[np.int16]:
    """(n, values, C): the outermost pixels."""
    rows, columns = thumbnails[:, [0, -1]], thumbnails[:, 1:-1, [0, -1]]
    count, channels = len(thumbnails), thumbnails.shape[3]
    return np.concatenate([each.reshape(count, -1, channels) for each in (rows, columns)], 1).astype(np.int16)


def _borders(thumbnails: Pixels) -> npt.NDArray[np.float64]:
    """(n, C): the median colour at the edge."""
    return np.asarray(np.median(_edges(thumbnails), 1))


def _are_plain(thumbnails: Pixels) -> npt.NDArray[np.bool_]:
    """(n,): whether the edge has one colour, and the picture more."""
    near = (np.abs(_edges(thumbnails) - _borders(thumbnails)[:, None]) < _NEAR).all(2).mean(1) >= _BORDER_SHARE
    return np.asarray(near & ~are_blank(thumbnails))


def _are_framed(pictures: Glance, background: Colour) -> bool:
    """Whether most pictures are transparent, or have a border of the background's colour."""
    thumbnails = pictures.on(background)
    alike = (np.abs(_borders(thumbnails) - background) < _NEAR).all(1)
    return bool((pictures.transparent | (_are_plain(thumbnails) & alike)).mean() > 0.5)


def _why_classes(class_sizes: Sequence[int], several: bool) -> str:
    if not class_sizes:
        return "there are no classes"
    smallest, biggest = min(class_sizes), max(class_sizes)
    if not several:
        return f"fewer than two classes have {_FEW} pictures or more"
    return f"{counted(len(class_sizes), 'class')} of {smallest:,} to {biggest:,} pictures"
