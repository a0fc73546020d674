"""The image files that people compress, if the model's images hold their pixels exactly, and the files they become."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from torch import Tensor

from alphabar import images
from alphabar.coding.codec import Pile
from alphabar.data.decode import decode, read_header
from alphabar.data.listing import list_files
from alphabar.data.options import DataOptions
from alphabar.errors import AlphabarError
from alphabar.files import inside
from alphabar.images import BLACK, Colour

_EIGHT_BITS = 255


def pile(sources: Sequence[Path], shape: tuple[int, int, int], background: Colour = BLACK) -> Pile:
    """The image files that these paths and folders mean; AlphabarError for one that would not come back exactly.

    shape: (C, H, W) of the model's images. A smaller one is surrounded by `background`, as in training.
    """
    files = [file for source in sources for file in _files(source)]
    names = [name for name, _ in files]
    repeated = sorted({name for name in names if names.count(name) > 1}) if len({*names}) < len(names) else []
    if repeated:
        raise AlphabarError(f"Two of the images would be called {repeated[0]} again; rename one.")
    sizes = [tuple(pixels(path, shape).shape[1:]) for _, path in files]

    def read(numbers: range) -> Tensor:
        return torch.stack([padded(pixels(files[k][1], shape), shape, background) for k in numbers])

    return Pile(names, [(int(height), int(width)) for height, width in sizes], read)


def _files(source: Path) -> list[tuple[str, Path]]:
    """Each image file with the name that it is to have again."""
    if source.is_file():
        return [(_png(source.name), source)]
    if not source.is_dir():
        raise AlphabarError(f"There is no picture or folder {source}.")
    found = [(_png(path.as_posix()), source / path) for path in list_files(source).images]
    if not found:
        raise AlphabarError(f"{source} holds no images.")
    return found


def _png(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(".png"))


def pixels(path: Path, shape: tuple[int, int, int]) -> Tensor:
    """The image as uint8 (C, h, w), h ≤ H and w ≤ W; AlphabarError if (C, H, W) cannot hold it exactly."""
    channels, height, width = shape
    options = DataOptions()
    if why := read_header(path, options.limit_pixels).loses:
        raise AlphabarError(f"{path} would not come back exactly: {why}.")
    decoded = decode(path, 4, options)
    values = torch.from_numpy(np.array(decoded.image)).permute(2, 0, 1)
    if decoded.white > _EIGHT_BITS:
        raise AlphabarError(f"{path} has more than 8 bits per value, and would not come back exactly.")
    if channels < 4 and decoded.transparent:
        raise AlphabarError(f"{path} is transparent, and this model's images are not; it would not come back exactly.")
    if channels == 1 and not bool((values[:3] == values[:1]).all()):
        raise AlphabarError(f"{path} is in colour, and this model's images are grey; it would not come back exactly.")
    if values.shape[1] > height or values.shape[2] > width:
        raise AlphabarError(
            f"{path} is {values.shape[1]}x{values.shape[2]}, and this model takes images up to {height}x{width}."
        )
    return values[:channels].contiguous()


def padded(image: Tensor, shape: tuple[int, int, int], background: Colour = BLACK) -> Tensor:
    """The image in the middle of one of this shape."""
    if image.shape == shape:
        return image
    around = images.pad(images.to_pil(image), shape[1:], background)
    return torch.from_numpy(np.array(around)).reshape(*shape[1:], shape[0]).permute(2, 0, 1).contiguous()


def without_padding(image: Tensor, size: tuple[int, int]) -> Tensor:
    """The inverse of `padded`."""
    (_, height, width), (h, w) = image.shape, size
    top, left = (height - h) // 2, (width - w) // 2
    return image[:, top : top + h, left : left + w]


def places(folder: Path, names: Sequence[str]) -> list[Path]:
    """Where the images go, all of them in the folder; AlphabarError for a name that leads out of it."""
    found = []
    for name in names:
        place = folder
        for part in name.split("/"):
            place = inside(place, part)
        found.append(place)
    if len({*found}) < len(found):
        raise AlphabarError("Two images in the file have the same name, so it is no file of alphabar's.")
    return found
