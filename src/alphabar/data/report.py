"""The report of `inspect`, and the settings that it ends in."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from torch import Tensor

from alphabar.data.advice import Advice
from alphabar.data.contents import Contents
from alphabar.data.decode import MODES
from alphabar.data.findings import Findings
from alphabar.data.options import DataOptions, sized
from alphabar.images import BLACK, Size

_SIDE = 32  # the longest side that is suggested for pictures of several sizes
_MODEST = 64  # images of one size up to this are used as they are; training cost grows with its square
_AS_ASKED = "as asked"


@dataclass(frozen=True)
class Report:
    """The result of `inspect`. `problem` says why the data cannot be loaded with the given options; None if it can."""

    kind: str  # a key of DATASETS
    source: str
    found: int
    skipped: tuple[tuple[str, str], ...]  # (name, reason)
    sizes: Mapping[Size, int]
    modes: Mapping[str, int]
    classes: Mapping[str, int]
    notes: Mapping[str, int]
    contents: Contents
    memory: int | None  # bytes when loaded; None if there is a problem
    problem: str | None
    settings: Mapping[str, str]  # the settings to train with
    advice: Advice  # the same, with reasons
    findings: Findings
    pictures: Tensor = field(compare=False, repr=False)
    """Up to 64 images uint8 (n, C, H, W), as the network sees them with `settings`."""

    @property
    def loaded(self) -> int:
        """The number of usable images."""
        return self.found - len(self.skipped)


def largest(sizes: Mapping[Size, int]) -> int:
    """The longest side to suggest."""
    return _MODEST if len(sizes) == 1 and max(map(max, sizes)) <= _MODEST else _SIDE


def followed(advice: Advice, options: DataOptions, problem: str | None) -> Advice:
    """The advice with the size and resize rule that were requested, if they work."""
    if options.image_size is None or problem is not None:
        return advice
    asked = {"data.image_size": _AS_ASKED, "data.resize": _AS_ASKED}
    return replace(advice, image_size=options.image_size, resize=options.resize, reasons={**advice.reasons, **asked})


def settings(advice: Advice, channels: int, white: float | None) -> dict[str, str]:
    """The settings to train with, without those that have their defaults."""
    size = advice.image_size
    settings = {"data.image_size": str(size[0]) if size[0] == size[1] else sized(size), "data.resize": advice.resize}
    if channels in MODES:
        settings["data.channels"] = str(channels)
    if advice.background != BLACK:
        settings["data.background"] = str(list(advice.background)).replace(" ", "")
    if advice.horizontal_flip:
        settings["data.horizontal_flip"] = "true"
    if advice.class_conditional:
        settings["network.class_conditional"] = "true"
    if white is not None:
        settings["data.white"] = f"{white:g}"
    return settings


def as_seen(options: DataOptions, advice: Advice, channels: int) -> DataOptions:
    """The options with which the network sees the images."""
    return replace(
        options,
        image_size=advice.image_size,
        resize=advice.resize,
        background=advice.background,
        channels=channels if channels in MODES else None,
    )
