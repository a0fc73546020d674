"""DataOptions: what the user may ask of any data source. Every source honours all of it or refuses in a sentence."""

from dataclasses import dataclass
from pathlib import Path

from alphabar.errors import AlphabarError
from alphabar.images import BLACK, RESIZE_RULES, Colour, Size
from alphabar.registry import unknown

SPLITS = ("train", "test")
MEGAPIXEL = 1_000_000


@dataclass(frozen=True)
class DataOptions:
    """Where the data lie and the shape to give them; raises AlphabarError for values that no source could honour."""

    path: Path | None = None
    """The user's own file or folder: its structure is checked, not its checksum."""
    data_root: Path | None = None
    """A folder to search first for the published data sets."""
    split: str = "train"
    image_size: Size | None = None
    """(H, W) of every image; None = as they are, which must then be the same for all."""
    channels: int | None = None
    """1 grey, 3 RGB, 4 RGBA; None = as stored in an array, and for image files 1 if all are stored as grey, else 3."""
    resize: str = "none"
    """"none", or a key of RESIZE_RULES."""
    background: Colour = BLACK
    """What shows through transparent pixels and round padded images."""
    limit_pixels: int = 64 * MEGAPIXEL
    """Larger images are not decoded."""
    download: bool = True

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise AlphabarError(unknown("split", self.split, SPLITS))
        if self.resize != "none" and self.resize not in RESIZE_RULES:
            raise AlphabarError(unknown("resize rule", self.resize, ("none", *RESIZE_RULES)))
        if self.data_root is not None and not self.data_root.is_dir():
            raise AlphabarError(f"data.root must be a folder that holds published data sets; {self.data_root} is none.")
        if self.image_size is not None and min(self.image_size) < 1:
            raise AlphabarError(f"data.image_size must be positive; got {sized(self.image_size)}.")
        if self.resize != "none" and self.image_size is None:
            raise AlphabarError(
                f"data.resize={self.resize} needs a size to reach: set data.image_size, for example 32."
            )
        if self.channels is not None and self.channels < 1:
            raise AlphabarError(f"data.channels must be at least 1; got {self.channels}.")
        if not all(0 <= level <= 255 for level in self.background):
            raise AlphabarError(f"data.background must be three levels from 0 to 255; got {self.background}.")
        if self.limit_pixels < 1:
            raise AlphabarError(f"data.limit_pixels must be positive; got {self.limit_pixels}.")


def sized(size: Size) -> str:
    """(H, W) for people, and as the command line takes it: "28x28"."""
    return f"{size[0]}x{size[1]}"
