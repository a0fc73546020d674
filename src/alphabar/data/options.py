"""DataOptions, the options of every data source. A source applies all of them or raises an AlphabarError."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alphabar.errors import AlphabarError
from alphabar.images import BLACK, POSITIONS, RESIZE_RULES, Colour, Size
from alphabar.registry import unknown

SPLITS = ("train", "val", "test")
MEGAPIXEL = 1_000_000
MOST_ROOM = 4


@dataclass(frozen=True)
class DataOptions:
    """The location of the data and the shape to give the images; raises AlphabarError for invalid values."""

    path: Path | None = None
    """The user's own file or folder. Its structure is checked, not its checksum."""
    data_root: Path | None = None
    """A folder to search first for published data sets."""
    split: str = "train"
    image_size: Size | None = None
    """(H, W) of every image. None = the stored size, which must be the same for all images."""
    channels: int | None = None
    """1 grey, 3 RGB, 4 RGBA. None = as stored in an array; for image files 1 if all are grey, else 3."""
    resize: str = "none"
    """"none", or a key of RESIZE_RULES."""
    background: Colour = BLACK
    """The colour (R, G, B) behind transparent pixels and around padded images."""
    white: float | None = None
    """The stored level that is white. None = that of the type: 255 of 8 bits, 65535 of 16 bits, 1 of floats."""
    crop: str = "centre"
    """A key of POSITIONS: the part of an image that resize=crop keeps."""
    crop_room: float = 1.25
    """For crop=random: the sides of what is kept of an image, as multiples of image_size."""
    holdout: float = 0.0
    """The share of the images that are the test split, if the source has none."""
    jpeg_without_end: bool = False
    """Whether a JPEG is used that lacks only the marker that ends it."""
    limit_pixels: int = 64 * MEGAPIXEL
    """The largest number of pixels of an image; larger ones are not decoded."""
    download: bool = True
    """Whether a published data set may be downloaded."""

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise AlphabarError(unknown("split", self.split, SPLITS))
        if self.resize != "none" and self.resize not in RESIZE_RULES:
            raise AlphabarError(unknown("resize rule", self.resize, ("none", *RESIZE_RULES)))
        if self.crop not in POSITIONS:
            raise AlphabarError(unknown("part to crop", self.crop, POSITIONS))
        if not 1 <= self.crop_room <= MOST_ROOM:
            raise AlphabarError(f"data.crop_room must lie between 1 and {MOST_ROOM}; got {self.crop_room}.")
        if not 0 <= self.holdout < 1:
            raise AlphabarError(f"data.holdout must be a share from 0 to below 1; got {self.holdout}.")
        if self.data_root is not None and not self.data_root.is_dir():
            raise AlphabarError(f"data.root must be a folder of published data sets; {self.data_root} is not a folder.")
        if self.image_size is not None and min(self.image_size) < 1:
            raise AlphabarError(f"data.image_size must be positive; got {sized(self.image_size)}.")
        if self.resize != "none" and self.image_size is None:
            raise AlphabarError(f"data.resize={self.resize} needs a target size; set data.image_size, for example 32.")
        if self.channels is not None and self.channels < 1:
            raise AlphabarError(f"data.channels must be at least 1; got {self.channels}.")
        if len(self.background) != 3 or not all(0 <= level <= 255 for level in self.background):
            raise AlphabarError(f"data.background must be three levels from 0 to 255; got {self.background}.")
        if self.white is not None and not 0 < self.white < math.inf:
            raise AlphabarError(f"data.white must be a level above 0, such as 4095; got {self.white}.")
        if self.limit_pixels < 1:
            raise AlphabarError(f"data.limit_pixels must be positive; got {self.limit_pixels}.")


def sized(size: Size) -> str:
    """(H, W) as text, in the form that the command line accepts: "28x28"."""
    return f"{size[0]}x{size[1]}"


_PLACES = ("path", "data_root", "split", "holdout", "limit_pixels", "download")
_CROPS = ("crop", "crop_room")


def manner(options: DataOptions) -> dict[str, Any]:
    """How files become images, without where they lie; ready for JSON. `of_manner` is its inverse.

    Crops are left out where they are in the middle, so that samples of before there was a choice still agree.
    """
    left_out = (*_PLACES, *(_CROPS if options.crop == "centre" else ()))
    fields = {name: value for name, value in asdict(options).items() if name not in left_out}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}


def of_manner(entry: object) -> DataOptions | None:
    """The options that `manner` described; None for anything else."""
    known = {*manner(DataOptions()), *_CROPS}
    if not isinstance(entry, dict) or not {"image_size", "resize", "background"} <= {*entry} <= known:
        return None
    values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in entry.items()}
    try:
        return DataOptions(**values)
    except (ValueError, TypeError):
        return None
