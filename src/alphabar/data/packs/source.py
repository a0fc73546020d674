"""The data source `packed`: the images of a pack, mapped into memory and read when they are needed."""

import math
import mmap
import warnings
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from alphabar.data.files import UnreadableError, check_split, open_regular, shown
from alphabar.data.fit import fitted
from alphabar.data.image_set import Hashed, ImageSet
from alphabar.data.options import DataOptions, sized
from alphabar.data.packs import record
from alphabar.errors import AlphabarError


def packed(options: DataOptions) -> ImageSet:
    """Your own pack, which `alphabar data pack` wrote: images decoded once, read from disk when needed.

    The images are a map of the file where they have the size and the channels that are asked for, and
    otherwise converted in memory. UnreadableError for a pack whose files or record are not what was written.
    """
    folder = options.path
    if folder is None:
        raise AlphabarError("data.name=packed needs a pack; set data.path to a folder that `alphabar data pack` wrote.")
    known = record.read(folder)
    _check(folder, known, options)
    split = known.splits[options.split]  # type: ignore[index]  # checked just now
    images = _mapped(record.file_of(folder, options.split, record.IMAGES), (split.count, *known.shape))
    numbers = {what: record.numbers(folder, options.split, split, what) for what in split.numbers}
    labels = numbers.get("labels")
    whole = ImageSet(
        name=known.name,
        images=images,
        labels=labels,
        class_names=split.class_names,
        source=shown(folder),
        contents=split.contents,
        stored=numbers.get("stored"),
        hashed=Hashed(images, labels, {record.shape_of(key): value for key, value in split.fingerprints.items()}),
    )
    channels, *size = known.shape
    is_same = options.channels in (None, channels) and options.image_size in (None, tuple(size))
    if is_same and not (options.holdout and not known.holdout):
        return whole
    what = f"{shown(folder)}, packed at {sized((size[0], size[1]))}x{channels},"
    stored = images.permute(0, 2, 3, 1).numpy()
    stored.flags.writeable = False  # so that a copy is made of what would be the map itself
    arrays = fitted(stored, replace(options, white=None), what)
    arrays["contents"] = replace(split.contents, split=options.split)
    return replace(whole, **arrays, hashed=None)


def is_divided(path: Path | None) -> bool:
    """Whether a pack holds the two splits that data.holdout makes of its source."""
    return path is not None and record.read(path).holdout > 0


def _check(folder: Path, known: record.Record, options: DataOptions) -> None:
    """AlphabarError for options that a pack contradicts."""
    check_split(shown(folder), options, tuple(known.splits))
    if options.holdout and known.holdout and options.holdout != known.holdout:
        raise AlphabarError(
            f"{shown(folder)} was packed with data.holdout={known.holdout:g}; got data.holdout={options.holdout:g}."
        )
    if options.white is not None and options.white != known.options.get("white"):
        raise AlphabarError(
            f"The levels of {shown(folder)} were brought to 8 bits when it was packed; leave data.white unset, or pack "
            f"the images with data.white={options.white:g}."
        )


def _mapped(path: Path, shape: tuple[int, ...]) -> Tensor:
    """uint8 of this shape over the bytes of a file, which takes memory only for what is read.

    What is written to it stays in this process, and never reaches the file. But where Linux counts such a map against
    the memory of the machine (MAP_NORESERVE asks it not to) and refuses it, it is one that cannot be written to.
    """
    private = mmap.MAP_PRIVATE | getattr(mmap, "MAP_NORESERVE", 0)
    with open_regular(path) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of buffers that cannot be written to
        try:
            mapped = mmap.mmap(file.fileno(), math.prod(shape), private, mmap.PROT_READ | mmap.PROT_WRITE)
        except OSError:
            mapped = _read_only(path, file.fileno(), math.prod(shape))
        return torch.frombuffer(mapped, dtype=torch.uint8).reshape(shape)


def _read_only(path: Path, handle: int, size: int) -> mmap.mmap:
    try:
        return mmap.mmap(handle, size, mmap.MAP_SHARED, mmap.PROT_READ)
    except (OSError, ValueError) as error:
        raise UnreadableError(path, f"it cannot be mapped into memory ({error})") from None
