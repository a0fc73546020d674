"""Refusals: what a U-Net cannot be built from or fed with, each in one sentence."""

from collections.abc import Sequence

from torch import Tensor

from alphabar.errors import AlphabarError


def check_counts(**counts: int) -> None:
    """Every count is a whole number of at least 1."""
    for name, count in counts.items():
        if count < 1:
            raise AlphabarError(f"{name} is {count}; it must be at least 1.")


def check_channel_mult(channel_mult: Sequence[int]) -> None:
    """At least one level, each a whole multiple of the network's width."""
    if not channel_mult or min(channel_mult) < 1:
        raise AlphabarError(f"channel_mult is ({_list(channel_mult)}); it must hold one integer of at least 1 per level.")


def check_dropout(dropout: float) -> None:
    """A probability below 1, for at 1 nothing passes."""
    if not 0 <= dropout < 1:
        raise AlphabarError(f"dropout is {dropout:g}; it must be at least 0 and below 1.")


def check_image_size(image_size: tuple[int, int], levels: int) -> None:
    """Both sides can be halved levels − 1 times."""
    multiple = 2 ** (levels - 1)
    if all(side >= 1 and side % multiple == 0 for side in image_size):
        return
    below, above = (tuple(max(side // multiple + up, 1) * multiple for side in image_size) for up in (0, 1))
    nearest = " or ".join(f"{height}×{width}" for height, width in sorted({below, above}))
    raise AlphabarError(
        f"A U-Net of {levels} levels halves its images {levels - 1} times and cannot do so with {_by(image_size)}; "
        f"use a multiple of {multiple} on each side, the nearest being {nearest}, or fewer levels."
    )


def check_attention(attention_resolutions: Sequence[int], sides: Sequence[int]) -> None:
    """Each resolution that should attend exists; `sides` are the shorter sides of the levels."""
    absent = [resolution for resolution in attention_resolutions if resolution not in sides]
    if absent:
        raise AlphabarError(
            f"No level of this U-Net has the attention resolution {absent[0]}; "
            f"the shorter sides of its levels are {', '.join(map(str, sides))}."
        )


def check_input(x: Tensor, time: Tensor, y: Tensor | None, image_shape: tuple[int, ...], num_classes: int | None) -> None:
    """Shapes alone, never values: looking at a value would wait for the device."""
    if x.shape[1:] != image_shape:
        raise AlphabarError(f"The network takes images of shape (B, {_list(image_shape)}); these are {_shape(x)}.")
    if time.shape != x.shape[:1]:
        raise AlphabarError(f"The network takes one step per image, time of shape ({len(x)},); this is {_shape(time)}.")
    if num_classes is None and y is not None:
        raise AlphabarError("The network is unconditional, but a class y was given; build it with num_classes, or leave y out.")
    if num_classes is not None and y is None:
        raise AlphabarError(f"The network is conditional on {num_classes} classes, but none was given; pass y of shape ({len(x)},).")
    if y is not None and y.shape != x.shape[:1]:
        raise AlphabarError(f"The network takes one class per image, y of shape ({len(x)},); this is {_shape(y)}.")


def _by(size: Sequence[int]) -> str:
    return "×".join(map(str, size))


def _list(shape: Sequence[int]) -> str:
    return ", ".join(map(str, shape))


def _shape(x: Tensor) -> str:
    return f"({_list(x.shape)})" if x.dim() != 1 else f"({len(x)},)"
