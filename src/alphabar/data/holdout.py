"""data.holdout: a share of the pictures, chosen by what they show, is the test split of a source that has none."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from alphabar.data.contents import counted
from alphabar.data.files import NoSplitError
from alphabar.data.image_set import ImageSet
from alphabar.data.options import DataOptions
from alphabar.errors import AlphabarError


def divided(source: Callable[[DataOptions], ImageSet], options: DataOptions) -> ImageSet:
    """The requested split of a source whose test split are the pictures with a place below `options.holdout`.

    AlphabarError if the source has a test split of its own, or if no picture is left to train on; NoSplitError if none
    is held out.
    """
    if options.split == "val":
        return source(options)
    _refuse_test_split(source, options)
    whole = source(replace(options, split="train"))
    assert whole.places is not None
    is_test = whole.places.numbers < options.holdout
    rows = np.flatnonzero(is_test if options.split == "test" else ~is_test)
    if not len(rows):
        raise none_left(whole.source, len(whole), options)
    contents = replace(
        whole.contents,
        split=options.split,
        transparent=int(whole.places.transparent[rows].sum()),
        held_out=said(options.split, len(whole), len(rows), options.holdout),
    )
    return replace(_of_rows(whole, rows), contents=contents)


def said(split: str, whole: int, part: int, share: float) -> str:
    """What is said of the `part` images of a split, of a source of `whole`."""
    if split == "test":
        return f"taken out of {counted(whole, 'image')} by data.holdout={share:g}"
    return f"{counted(whole - part, 'image')} held out as data.split=test"


def _refuse_test_split(source: Callable[[DataOptions], ImageSet], options: DataOptions) -> None:
    try:
        own = source(replace(options, split="test", holdout=0.0))
    except NoSplitError:
        return
    raise two_test_splits(own.source, len(own), options)


def two_test_splits(source: str, count: int, options: DataOptions) -> AlphabarError:
    """The error for a source that has a test split of its own, of so many images."""
    return AlphabarError(
        f"{source} is a test split of its own, with {counted(count, 'image')}, and data.holdout="
        f"{options.holdout:g} would make a second one; set data.holdout=0."
    )


def none_left(source: str, count: int, options: DataOptions) -> AlphabarError:
    """The error for a share that leaves a split without images."""
    images = f"the {counted(count, 'image')} in {source}"
    if options.split == "test":
        return NoSplitError(
            f"data.holdout={options.holdout:g} holds out none of {images}, so there is no 'test' split; set a larger "
            "share."
        )
    return AlphabarError(
        f"data.holdout={options.holdout:g} holds out all of {images}, and none is left to train on; set a smaller one."
    )


def _of_rows(whole: ImageSet, rows: npt.NDArray[np.int64]) -> ImageSet:
    """The images of these increasing rows. Where they are many, they are moved and not copied, to spare memory."""
    chosen = torch.from_numpy(rows)
    if 2 * len(rows) < len(whole):
        images = whole.images[chosen]
    else:
        _to_front(whole.images.numpy(), rows)
        images = whole.images[: len(rows)]
    parts: dict[str, Any] = {"images": images, "places": None}
    for name in ("labels", "stored"):
        values: Tensor | None = getattr(whole, name)
        parts[name] = None if values is None else values[chosen]
    return replace(whole, **parts)


def _to_front(images: npt.NDArray[np.uint8], rows: npt.NDArray[np.int64], chunk: int = 1024) -> None:
    for start in range(0, len(rows), chunk):
        part = rows[start : start + chunk]
        images[start : start + len(part)] = images[part]
