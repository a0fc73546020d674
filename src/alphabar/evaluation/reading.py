"""How image files are read for an evaluation, so that both sides are read in the same way."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from alphabar.data import DataOptions
from alphabar.data.contents import Levels
from alphabar.images import BLACK, Colour, Size


@dataclass(frozen=True)
class HowRead:
    """How image files are read; None means as the data of the run were, and without a run as they are stored."""

    image_size: Size | None = None
    resize: str | None = None
    background: Colour | None = None
    """What is behind transparent pixels and around padded images."""
    white: float | None = None
    """The stored level that is white."""

    @property
    def options(self) -> list[str]:
        """The names of the options that are set, as on the command line."""
        names = [field.name for field in fields(self) if getattr(self, field.name) is not None]
        return [f"--{name.replace('_', '-')}" for name in names]

    def of_subject(self) -> DataOptions:
        """How evaluated images are read from files."""
        resize = "none" if self.image_size is None else self.resize or "none"
        background = self.background or BLACK
        return DataOptions(image_size=self.image_size, resize=resize, background=background, white=self.white)

    def of_reference(
        self, shape: tuple[int, int, int], like: DataOptions | None, split: str, root: Path | None
    ) -> DataOptions:
        """How the reference is read, for evaluated images of `shape` (C, H, W) that imitate data read like `like`."""
        like = like or DataOptions()
        return replace(
            like,
            path=None,
            holdout=0.0,
            data_root=root,
            split=split,
            image_size=self.image_size or shape[1:],
            resize=self.resize or like.resize,
            background=self.background or like.background,
            white=like.white if self.white is None else self.white,
            channels=shape[0],
        )

    def differences(
        self, subject: Mapping[str, Any], like: DataOptions | None, reference: Mapping[str, Any]
    ) -> list[str]:
        """Warnings if the two sides were read in different ways. subject, reference: their entries in the row."""
        dark = [
            line for side, about in (("evaluated", subject), ("reference", reference)) for line in _dark(side, about)
        ]
        if "background" not in reference:  # statistics do not say how their images were read
            return dark
        if like is None:
            background = reference["background"]
            return dark + self._one_sided(subject.get("transparent", 0), reference["transparent"], background)
        ways = {
            "--resize": (reference["resize"], like.resize),
            "--background": (reference["background"], list(like.background)),
        }
        if reference["white"] != like.white:
            theirs, ours = (f"{white:g}" if white else "none" for white in (reference["white"], like.white))
            dark.append(
                f"the reference was read with --white {theirs}, and the data that the model learned with {ours}; "
                "unless their files have other levels, that difference is part of the distances"
            )
        return dark + [
            f"the reference was read with {option} {theirs}, and the data that the model learned with {ours}; "
            "that difference is part of the distances"
            for option, (theirs, ours) in ways.items()
            if theirs != ours
        ]

    def _one_sided(self, evaluated: int, real: int, background: list[int]) -> list[str]:
        if self.background is not None or bool(evaluated) == bool(real):
            return []
        side, other = ("evaluated", "reference") if evaluated else ("reference", "evaluated")
        return [
            f"transparency in {evaluated or real:,} of the {side} images was put on {background}, and the {other} "
            "images have none; name the colour that is behind those with --background"
        ]


def _dark(side: str, about: Mapping[str, Any]) -> list[str]:
    """A warning if images that were read without a white level are nearly black."""
    levels = about.get("levels") and Levels(**about["levels"])
    if not levels or not levels.is_dark or about["white"] is not None or about.get("is_what_was_trained_on"):
        return []
    return [
        f"the {side} images are dark: their lightest level is {levels.high:g}, and white is {levels.white:g}; if that "
        f"level is white, add --white {levels.likely_white:g}"
    ]
