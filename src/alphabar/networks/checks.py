"""Checks of the arguments and the input of a U-Net. Each raises AlphabarError if it fails."""

from collections.abc import Sequence

from torch import Tensor

from alphabar.errors import AlphabarError


def check_architecture(
    *,
    image_size: tuple[int, int],
    channels: int,
    channel_mult: Sequence[int],
    dropout: float,
    num_classes: int | None,
    null_class: bool,
    counts: dict[str, int],
) -> None:
    """Checks what every network of levels is built from. `counts`: the further numbers that must be at least 1."""
    check_at_least(1, **counts)
    check_at_least(1, num_classes=1 if num_classes is None else num_classes)
    check_null_class(num_classes, null_class)
    check_at_least(2, channels=channels)  # the time embedding needs one for sin and one for cos
    check_dropout(dropout)
    check_channel_mult(channel_mult)
    check_image_size(image_size, len(channel_mult))


def check_at_least(least: int, **counts: int) -> None:
    """Checks that each of the named counts is at least `least`."""
    for name, count in counts.items():
        if count < least:
            raise AlphabarError(f"{name} is {count}; it must be at least {least}.")


def check_channel_mult(channel_mult: Sequence[int]) -> None:
    """Checks that there is at least one level, and that the multiple of the width at each level is at least 1."""
    if not channel_mult or min(channel_mult) < 1:
        raise AlphabarError(f"channel_mult is {_tuple(channel_mult)}; it must have an integer ≥ 1 for each level.")


def check_dropout(dropout: float) -> None:
    """Checks that `dropout` is a probability below 1 (at 1 every activation would be 0)."""
    if not 0 <= dropout < 1:
        raise AlphabarError(f"dropout is {dropout:g}; it must be at least 0 and below 1.")


def check_image_size(image_size: tuple[int, int], levels: int) -> None:
    """Checks that both sides (H, W) can be halved levels − 1 times."""
    multiple = 2 ** (levels - 1)
    if all(side >= 1 and side % multiple == 0 for side in image_size):
        return
    smaller = tuple(multiple * max(side // multiple, 1) for side in image_size)
    larger = tuple(multiple * max(-(-side // multiple), 1) for side in image_size)
    nearest = " or ".join(f"{height}×{width}" for height, width in sorted({smaller, larger}))
    raise AlphabarError(
        f"Images of {image_size[0]}×{image_size[1]} cannot be halved {levels - 1} times by a U-Net of {levels} levels; "
        f"use {nearest} (multiples of {multiple}) or fewer levels."
    )


def check_attention(attention_resolutions: Sequence[int], sides: Sequence[int]) -> None:
    """Checks that each attention resolution is one of `sides`, the shorter sides of the levels."""
    for resolution in attention_resolutions:
        if resolution not in sides:
            raise AlphabarError(
                f"No level has the attention resolution {resolution}; the shorter sides of the levels are "
                f"{', '.join(map(str, sides))}, so choose attention_resolutions among them (or none: [])."
            )


def check_heads(channels: int, heads: int, head_channels: int | None) -> None:
    """Checks that the channels split evenly into attention heads."""
    if channels % (head_channels or heads):
        parts = f"{heads} attention heads" if head_channels is None else f"attention heads of {head_channels} channels"
        raise AlphabarError(f"{channels} channels do not split into {parts}; choose a divisor of {channels}.")


def check_groups(channels: int, groups: int) -> None:
    """Checks that the channels split evenly into groups of a normalization."""
    if channels % groups:
        raise AlphabarError(f"{channels} channels do not split into norm_groups={groups}; choose a divisor of them.")


def check_null_class(num_classes: int | None, null_class: bool) -> None:
    """Checks that only a class-conditional network has a null class."""
    if null_class and num_classes is None:
        raise AlphabarError("A null class stands for an omitted class, but this network has no num_classes.")


def check_input(
    x: Tensor, time: Tensor, y: Tensor | None, shape: tuple[int, ...], num_classes: int | None, null_class: bool
) -> None:
    """Checks the shapes of the network's input. Values are not checked, because reading them waits for the device."""
    if x.shape[1:] != shape:
        expected = ", ".join(map(str, shape))
        raise AlphabarError(f"The network takes images of shape (B, {expected}); got {_tuple(x.shape)}.")
    if time.shape != x.shape[:1]:
        raise AlphabarError(f"time has shape {_tuple(time.shape)}; {len(x)} images need {_tuple(x.shape[:1])}.")
    if num_classes is None and y is not None:
        raise AlphabarError("This network is unconditional and takes no class y; omit y, or build with num_classes.")
    if num_classes is not None and y is None and not null_class:
        raise AlphabarError(f"The network has {num_classes} classes but got no y; it needs one class per image.")
    if y is not None and y.shape != x.shape[:1]:
        raise AlphabarError(f"y has shape {_tuple(y.shape)}; {len(x)} images need {_tuple(x.shape[:1])}.")


def check_augmentation(x: Tensor, augmentation: Tensor | None, size: int) -> None:
    """Checks the shape of the label of an augmentation, if there is one."""
    if augmentation is None:
        return
    if not size:
        raise AlphabarError("This network takes no augmentation; omit it, or build with augmentation_size.")
    if augmentation.shape != (len(x), size):
        raise AlphabarError(
            f"augmentation has shape {_tuple(augmentation.shape)}; {len(x)} images need {_tuple((len(x), size))}."
        )


def check_low_resolution(low_resolution: tuple[int, int] | None, image_size: tuple[int, int]) -> None:
    """Checks that the small image of an upsampler is smaller than the large one."""
    if low_resolution is None:
        return
    fits = all(1 <= low <= high for low, high in zip(low_resolution, image_size, strict=True))
    if not fits or low_resolution == image_size:
        small, large = ("×".join(map(str, size)) for size in (low_resolution, image_size))
        raise AlphabarError(f"low_resolution is {small}; it must be smaller than the images, which are {large}.")


def check_low_res(x: Tensor, low_res: Tensor | None, low_resolution: tuple[int, int] | None) -> None:
    """Checks the shape of the small images, which an upsampler needs and no other network takes."""
    if low_resolution is None and low_res is not None:
        raise AlphabarError("This network takes no small images; omit low_res, or build with low_resolution.")
    expected = None if low_resolution is None else (*x.shape[:2], *low_resolution)
    if expected is not None and (low_res is None or low_res.shape != expected):
        got = "none" if low_res is None else _tuple(low_res.shape)
        raise AlphabarError(f"This network upsamples small images, low_res {_tuple(expected)}; got {got}.")


def _tuple(values: Sequence[int]) -> str:
    return str(tuple(values))
