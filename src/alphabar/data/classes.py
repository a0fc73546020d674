"""Classes are names: the class that somebody named, and the labels of one set in the classes of another."""

import logging
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any
from unicodedata import normalize

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from alphabar.data.contents import some
from alphabar.data.files import printable
from alphabar.data.image_set import ImageSet
from alphabar.errors import AlphabarError

_LOG = logging.getLogger(__name__)
_LISTED = 20
_BYTE = re.compile("[\udc80-\udcff]")
"""A byte of a name that is not UTF-8, as Python has it."""


def normal(name: str) -> str:
    """The one spelling (Unicode NFC) of a name: file systems and keyboards spell accents differently."""
    return normalize("NFC", name)


def printed(name: str) -> str:
    """A class as it is printed and matched: `normal`, and what is not printable as \\x1b or \\u200d, bytes too."""
    return printable(_BYTE.sub(lambda byte: f"\\x{ord(byte[0]) - 0xDC00:02x}", normal(name)))


def class_number(names: Sequence[str], text: str) -> int | None:
    """The position of the class that `text` names; None if there is none.

    A number counts as a position only if no class has a number for a name: class 1 of 1, 2 and 10 is the first. A name
    may be given as it is, or as it is printed.
    """
    spelled = [normal(name) for name in names]
    for name in (normal(text), printed(text)):
        if name in spelled:
            return spelled.index(name)
    if _is_number(text) and not any(map(_is_number, spelled)) and int(text) < len(names):
        return int(text)
    return None


def listed(names: Sequence[str]) -> str:
    """The classes for a sentence, with their numbers where these can be used."""
    numbered = names if any(map(_is_number, names)) else [f"{k} {name}" for k, name in enumerate(names)]
    return ", ".join(numbered[:_LISTED]) + (", ..." if len(names) > _LISTED else "")


def repeated(names: Iterable[str]) -> list[str]:
    """The names that two classes share."""
    return [name for name, count in Counter(names).items() if count > 1]


def matched(images: ImageSet, names: Sequence[str], what: str) -> ImageSet:
    """The images with labels that index `names`, the classes of a network; `what` names the images in a sentence.

    AlphabarError if they have no labels, or an image of a class that is not among `names`. A class without images is
    reported in the log.
    """
    if images.labels is None:
        raise AlphabarError(
            f"{what} have no classes, and this model needs a class for every image: {listed(names)}; put each class "
            "into a folder of its name."
        )
    occurring = images.labels.bincount(minlength=len(images.class_names)).nonzero().flatten().tolist()
    numbers = {label: class_number(names, images.class_names[label]) for label in occurring}
    if unknown := [images.class_names[label] for label, number in numbers.items() if number is None]:
        raise AlphabarError(
            f"{what} have the class {unknown[0]}, which this model was not trained on; its classes are {listed(names)}."
        )
    if missing := [name for number, name in enumerate(names) if number not in numbers.values()]:
        _LOG.warning("%s have no image of %d of the %d classes: %s.", what, len(missing), len(names), some(missing))
    table = torch.tensor([numbers.get(label) or 0 for label in range(len(images.class_names))])
    return replace(images, labels=table[images.labels], class_names=tuple(names))


def numbered(labels: npt.NDArray[Any]) -> tuple[Tensor, tuple[str, ...]]:
    """Labels (N,) of classes without names -> int64 labels, and the numbers that occur as the names."""
    numbers, positions = np.unique(labels, return_inverse=True)
    return torch.from_numpy(positions.astype(np.int64)), tuple(map(str, numbers.tolist()))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10
