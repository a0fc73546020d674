"""The settings that suit pictures, judged from a sample of them: `alphabar data inspect` and a plan of training ask."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alphabar.data.contents import counted
from alphabar.data.framing import are_framed, background
from alphabar.data.glance import Glance, glance
from alphabar.data.mirrored import are_alike
from alphabar.data.options import DataOptions, sized
from alphabar.images import Colour, Size

_MULTIPLE = 8  # a U-Net that halves the size three times needs sides that 8 divides
_SIDES = (256, 128, 64, 32, 16)
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

    kind: a key of DATASETS. largest: the longest side that the caller can afford. A pack keeps its size, because it
    would be converted in memory otherwise. AlphabarError if none is usable.
    """
    pictures = glance(options, kind)
    return judged(pictures, max(largest, *pictures.sizes[0]) if kind == "packed" else largest)


def judged(pictures: Glance, largest: int) -> Advice:
    """The settings for pictures of which a sample was seen."""
    colour, why_background = background(pictures)
    framed = are_framed(pictures, colour)
    size, rule, why_size = suggested(pictures.sizes, largest, keeps_all=framed)
    flip = are_alike(pictures.on(colour), pictures.classes)
    several = sum(size >= _FEW for size in pictures.class_sizes) >= 2
    return Advice(
        image_size=size,
        resize=rule,
        background=colour,
        horizontal_flip=flip,
        class_conditional=several,
        count=pictures.count,
        reasons={
            "data.image_size": why_size,
            "data.resize": _why_rule(rule, framed, all(height == width for height, width in pictures.sizes)),
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
    bound = f"; more than {largest} takes longer to train" if largest < 2 * side <= median else ""
    return (
        (side, side),
        "pad" if keeps_all else "crop",
        f"half of the pictures have shorter sides of {median} pixels or more{bound}",
    )


def _why_rule(rule: str, framed: bool, square: bool) -> str:
    if rule == "none":
        return "the pictures have that size"
    if rule == "pad":
        return (
            "most pictures are transparent or have a plain border, so none is cut" if framed else "every pixel is kept"
        )
    return (
        "the pictures are square, so nothing is cut off" if square else "photos fill the frame; their ends are cut off"
    )


def _why_classes(class_sizes: Sequence[int], several: bool) -> str:
    if not class_sizes:
        return "there are no classes"
    smallest, biggest = min(class_sizes), max(class_sizes)
    if not several:
        return f"fewer than two classes have {_FEW} pictures or more"
    sizes = f"{smallest:,}" if smallest == biggest else f"{smallest:,} to {biggest:,}"
    return f"{counted(len(class_sizes), 'class')} of {sizes} pictures"
