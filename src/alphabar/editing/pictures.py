"""The pictures and masks that people bring to a model: files, Pillow images, or images of the run's data."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from alphabar import data, images
from alphabar.data import DataOptions
from alphabar.data.classes import listed
from alphabar.data.decode import MODES, converted, decode
from alphabar.errors import AlphabarError
from alphabar.images import POSITIONS, RESIZE_RULES
from alphabar.registry import look_up
from alphabar.runs.model import Label, LoadedModel
from alphabar.sampling.pipeline import Pipeline

Source = str | Path | int | Image.Image
"""A picture as people name it: a file, image k of the run's data (k, or "test:k"), or a Pillow image."""


_LOG = logging.getLogger(__name__)
PLAIN = DataOptions()


@dataclass(frozen=True)
class Picture:
    """uint8 (C, H, W) of the model's shape, its name, and its class if that is known."""

    name: str
    pixels: Tensor
    label: int | None


def picture(model: LoadedModel, source: Source, resize: str = "none") -> Picture:
    """An image file or a Pillow image, brought to the model's shape; or a number k, or 'test:k': image k of its data.

    resize: "none", or a key of RESIZE_RULES, for pictures of another size.
    """
    shape, options = model.facts.shape, reading_of(model)
    if isinstance(source, Image.Image):
        pixels = read_picture(source, shape, resize, options)
        return Picture(f"picture-{hashlib.sha256(pixels.numpy().tobytes()).hexdigest()[:8]}", pixels, None)
    if not isinstance(source, str | Path | int):
        raise AlphabarError(f"A picture is a file, a Pillow image, or a number; got {type(source).__name__}.")
    text = str(source)
    split, _, number = text.rpartition(":")
    if number.isdecimal() and split in ("", *data.SPLITS) and not Path(text).exists():
        return _of_data(model, split or model.config.data.split, int(number))
    path = Path(text)
    if not path.is_file():
        raise AlphabarError(
            f"There is no picture {text}; name an image file, or image k of the run's data as a number, or as test:k."
        )
    return Picture(path.stem, read_picture(path, shape, resize, options), None)


def reading_of(model: LoadedModel) -> DataOptions:
    """How the images of the model's data are read."""
    section = model.config.data
    return DataOptions(
        background=section.background,
        white=section.white,
        jpeg_without_end=section.jpeg_without_end,
        crop=section.crop,
    )


def _of_data(model: LoadedModel, split: str, k: int) -> Picture:
    images = model.images(split)
    if k >= len(images):
        raise AlphabarError(f"There is no image {k}: the run's {split} images are 0 to {len(images) - 1}.")
    label = None if images.labels is None else int(images.labels[k])
    return Picture(f"{split}:{k}", images.images[k], label)


def read_picture(
    source: Path | Image.Image, shape: tuple[int, int, int], resize: str, options: DataOptions = PLAIN
) -> Tensor:
    """A picture as uint8 (C, H, W); AlphabarError if it is no image, or of another size and `resize` is "none".

    options: how the images of the model's data are read.
    """
    channels, height, width = shape
    if channels not in MODES:
        raise AlphabarError(f"A picture has 1, 3 or 4 channels, and this model's images have {channels}.")
    if isinstance(source, Image.Image):
        name = Path("the picture")
        image = converted(source, channels, options, name).image
    else:
        name = source
        image = decode(name, channels, options).image
    if (image.height, image.width) != (height, width):
        if resize == "none":
            raise AlphabarError(
                f"{name} is {image.height}x{image.width}, and this model takes {height}x{width}: say with "
                "--resize whether to crop, pad or stretch it."
            )
        rule = look_up(RESIZE_RULES, resize, "resize rule")
        image = rule(image, (height, width), options.background, POSITIONS[options.crop])
    return torch.from_numpy(np.array(image).reshape(height, width, channels).transpose(2, 0, 1).copy())


def signed(pipeline: Pipeline, *pictures: Picture) -> Tensor:
    """The pictures as floats (N, C, H, W) in [−1, 1] on the model's device."""
    return images.to_signed(torch.stack([picture.pixels for picture in pictures])).to(pipeline.model.device)


def label_of(model: LoadedModel, name: str | int | None, pictures: Sequence[Picture]) -> Label:
    """The class of an edit: the one that is named, else the pictures' own, else "none" where the network allows it."""
    if name is not None:
        return model.label(name)
    names = model.class_names
    own = {picture.label for picture in pictures}
    if names and len(own) == 1 and None not in own:
        return int(own.pop() or 0)
    if not model.knows_no_class:
        raise AlphabarError(
            f"This network needs a class, and the pictures do not have one; choose it with --class, 0 ({names[0]}) to "
            f"{len(names) - 1} ({names[-1]})."
        )
    if names:
        _LOG.warning(
            "The pictures have no class in common that is known, so images without a class are sampled; choose a class "
            "with --class: %s.", listed(names),
        )  # fmt: skip
    return "none"


# ---- masks ------------------------------------------------------------------------------------------------------

MASKS = ("left", "right", "top", "bottom", "centre")


@dataclass(frozen=True)
class Mask:
    """The part of an image that is to be sampled anew: float (1, H, W), 1 there and 0 elsewhere."""

    name: str
    unknown: Tensor

    @property
    def short_name(self) -> str:
        """The name without folder and suffix, for a file name."""
        return Path(self.name).stem

    def shown(self, picture: Picture, samples: Tensor) -> Tensor:
        """The picture, the part of it that is known on grey, and the samples: uint8 (2 + N, C, H, W)."""
        known = torch.where(self.unknown.bool(), torch.full_like(picture.pixels, 128), picture.pixels)
        return torch.cat([picture.pixels[None], known[None], samples])


def read_mask(source: Source, shape: tuple[int, int, int], resize: str = "none") -> Mask:
    """One of MASKS, or an image that is white (above middle grey) where to sample anew."""
    _, height, width = shape
    text = "mask" if isinstance(source, Image.Image) else str(source)
    boxes = {
        "left": (slice(None), slice(0, width // 2)),
        "right": (slice(None), slice(width // 2, None)),
        "top": (slice(0, height // 2), slice(None)),
        "bottom": (slice(height // 2, None), slice(None)),
        "centre": (slice(height // 4, height - height // 4), slice(width // 4, width - width // 4)),
    }
    if text in boxes:
        mask = torch.zeros(1, height, width)
        mask[(slice(None), *boxes[text])] = 1
        return Mask(text, mask)
    if not isinstance(source, Image.Image) and not Path(text).is_file():
        raise AlphabarError(f"There is no mask {text}; name an image file, or one of {', '.join(MASKS)}.")
    picture = source if isinstance(source, Image.Image) else Path(text)
    mask = (read_picture(picture, (1, height, width), resize) > 127).float()
    if mask.min() == mask.max():
        problem = "white: no pixel is known" if mask.max() else "black: no pixel is to be sampled"
        raise AlphabarError(
            f"The mask {text} is all {problem}; it must be white where to sample anew, and black elsewhere."
        )
    return Mask(text, mask)
