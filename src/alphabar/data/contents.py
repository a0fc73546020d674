"""What a source holds and what became of it, as it is said when training begins and by `alphabar data inspect`."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from alphabar.images import BLACK, Colour, colour_name

_LISTED = 10
_ENOUGH = 1000  # images; with fewer, models are often seen to memorise


@dataclass(frozen=True)
class Levels:
    """The lowest and the highest level that is stored, and the levels that are white and black."""

    low: float
    high: float
    white: float
    black: float = 0.0

    @classmethod
    def of(cls, several: Iterable["Levels"]) -> "Levels":
        """The levels of several images together; of images of several depths, relative to the deepest."""
        levels = list(several)
        white = max(each.white for each in levels)
        return cls(
            min(each.low * white / each.white for each in levels),
            max(each.high * white / each.white for each in levels),
            white,
        )

    @property
    def is_dark(self) -> bool:
        """Whether even the lightest level is nearer to black than to white."""
        return (self.high - self.black) * 2 < self.white - self.black

    @property
    def likely_white(self) -> float:
        """The least level of 2^k - 1 that is not below the lightest one; of floats, the lightest one itself."""
        return self.high if self.white <= 1 else 2 ** max(1, math.ceil(math.log2(self.high + 1))) - 1

    def __str__(self) -> str:
        black = f"black is {self.black:g} and " if self.black else ""
        return f"{self.low:g} to {self.high:g} ({black}white is {self.white:g})"


@dataclass(frozen=True)
class Contents:
    """What was recognised in a source beside its images and classes."""

    split: str = "train"
    splits: tuple[str, ...] = ()
    """The folders of the source's splits."""
    labels_file: str = ""
    """The file that says the classes, where folders do not."""
    levels: Levels | None = None
    transparent: int = 0
    """The number of images with transparency."""
    background: Colour = BLACK
    """What transparency became."""
    held_out: str = ""
    """Which images are in the other split, by data.holdout."""
    left_out: tuple[str, ...] = ()
    """What is not used, and why."""

    def phrases(self) -> list[str]:
        """What there is to say, for a line."""
        phrases = [f"split {self.split} of {', '.join(self.splits)}"] if self.splits else []
        phrases += [f"classes by {self.labels_file}"] if self.labels_file else []
        phrases += [f"levels {self.levels}"] if self.levels else []
        phrases += [self.transparency] if self.transparency else []
        phrases += [self.held_out] if self.held_out else []
        return phrases + ([f"left out: {some(self.left_out)}"] if self.left_out else [])

    @property
    def transparency(self) -> str:
        """How many images are transparent, and what that became; empty if none is."""
        if not self.transparent:
            return ""
        return f"{counted(self.transparent, 'transparent image')} on data.background={colour_name(self.background)}"

    @property
    def warning(self) -> str:
        """A sentence if the images look nearly black; else empty."""
        if self.levels is None or not self.levels.is_dark:
            return ""
        return (
            f"The images are dark: their lightest level is {self.levels.high:g}, and white is {self.levels.white:g}. "
            f"If that level is white, add data.white={self.levels.likely_white:g} to the command that trains."
        )


def warning_of_few(count: int) -> str:
    """What so few training images lead to; empty if there are enough."""
    if count >= _ENOUGH:
        return ""
    are = "is" if count == 1 else "are"
    return (
        f"{counted(count, 'image')} {are} few. With fewer than about {_ENOUGH:,}, the model may memorise: its "
        "samples become copies of your images. More images help most; shorter training helps too. "
        "With images held out (data.holdout=0.1), `alphabar evaluate RUN --metrics memorisation` measures it."
    )


def counted(count: int, what: str) -> str:
    """ "1 image", "1,000 images"."""
    return f"{count:,} {what}{('es' if what.endswith('s') else 's') * (count != 1)}"


def some(phrases: tuple[str, ...] | list[str]) -> str:
    """The first phrases, and how many more there are."""
    more = [f"and {len(phrases) - _LISTED:,} more"] if len(phrases) > _LISTED else []
    return ", ".join([*phrases[:_LISTED], *more])
