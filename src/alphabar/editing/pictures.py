"""The pictures that people bring to a model: a file of theirs, or an image of the data that it was trained on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from alphabar import build, data, images
from alphabar.data import DataOptions
from alphabar.data.decode import decode, read_header
from alphabar.errors import AlphabarError
from alphabar.images import RESIZE_RULES, Colour
from alphabar.registry import look_up
from alphabar.runs.model import Model


@dataclass(frozen=True)
class Picture:
    """uint8 (C, H, W) of the model's shape; what it is called, and its class if it is known."""

    name: str
    pixels: Tensor
    label: int | None


def picture(model: Model, text: str, resize: str, data_root: Path | None) -> Picture:
    """An image file, brought to the model's shape; or a number k, or test:k: image k of what the model was trained on.

    resize: none, or a key of RESIZE_RULES, for files of another size.
    """
    split, _, number = text.rpartition(":")
    if number.isdecimal() and split in ("", *data.SPLITS) and not Path(text).exists():
        return _of_data(model, split or model.config.data.split, int(number), data_root)
    path = Path(text)
    if not path.is_file():
        raise AlphabarError(
            f"There is no picture {text}; name an image file, or image k of the run's data as a number, or as test:k."
        )
    return Picture(path.stem, read_picture(path, model.facts.shape, resize, model.config.data.background), None)


def _of_data(model: Model, split: str, k: int, data_root: Path | None) -> Picture:
    section = model.config.data.model_copy(update={"split": split, "root": data_root or model.config.data.root})
    found = data.load(section.name, build.data_options(section))
    if k >= len(found):
        raise AlphabarError(f"There is no image {k}: the run's {split} images are 0 to {len(found) - 1}.")
    if found.shape != model.facts.shape:
        raise AlphabarError(f"The run's data are {found.shape} now, and it was trained on {model.facts.shape}.")
    label = None if found.labels is None else int(found.labels[k])
    return Picture(f"{split}:{k}", found.images[k], label)


def read_picture(path: Path, shape: tuple[int, int, int], resize: str, background: Colour = images.BLACK) -> Tensor:
    """The file as uint8 (C, H, W); AlphabarError if it is no image, or of another size and `resize` is none.

    background: what shows through transparent pixels and round padded images.
    """
    channels, *size = shape
    if channels not in (1, 3, 4):
        raise AlphabarError(f"An image file has 1, 3 or 4 channels, and this model's images have {channels}.")
    limit = DataOptions().limit_pixels
    found = read_header(path, limit).size
    image = decode(path, channels, background, limit)
    if found != tuple(size):
        if resize == "none":
            raise AlphabarError(
                f"{path} is {found[0]}x{found[1]}, and this model's images are {size[0]}x{size[1]}: say with --resize "
                "whether to crop, pad or stretch it."
            )
        image = look_up(RESIZE_RULES, resize, "resize rule")(image, (size[0], size[1]), background)
    pixels = np.array(image).reshape(*size, channels)
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())


MASKS = ("left", "right", "top", "bottom", "centre")


def read_mask(text: str, shape: tuple[int, int, int], resize: str) -> Tensor:
    """float (1, H, W), 1 where to paint anew: one of MASKS, or an image file, white above the middle grey."""
    _, height, width = shape
    mask = torch.zeros(1, height, width)
    boxes = {
        "left": (slice(None), slice(0, width // 2)),
        "right": (slice(None), slice(width // 2, None)),
        "top": (slice(0, height // 2), slice(None)),
        "bottom": (slice(height // 2, None), slice(None)),
        "centre": (slice(height // 4, height - height // 4), slice(width // 4, width - width // 4)),
    }
    if text in boxes:
        mask[(slice(None), *boxes[text])] = 1
        return mask
    if not Path(text).is_file():
        raise AlphabarError(f"There is no mask {text}; name an image file, or one of {', '.join(MASKS)}.")
    mask = (read_picture(Path(text), (1, height, width), resize) > 127).float()
    if mask.min() == mask.max():
        what = "white: nothing is known" if mask.max() else "black: nothing is to be painted"
        raise AlphabarError(
            f"The mask {text} is all {what}; it must be white where to paint anew, and black elsewhere."
        )
    return mask


def masked(pixels: Tensor, unknown: Tensor, drawn: Tensor) -> Tensor:
    """The picture, the part of it that is known on grey, and the drawn ones: uint8 (2 + N, C, H, W)."""
    known = torch.where(unknown.bool(), torch.full_like(pixels, 128), pixels)
    return torch.cat([pixels[None], known[None], drawn])
