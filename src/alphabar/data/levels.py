"""Stored levels -> 8 bits. Which level is white is known from the type, or from `data.white`; none may lie above it."""

from typing import Any

import numpy as np
import numpy.typing as npt

from alphabar.data.contents import Levels
from alphabar.errors import AlphabarError

_CHUNK = 1 << 22  # values per chunk, to bound the memory of intermediate floats

WHITE = {"bool": 1.0, "uint8": 255.0, "uint16": 65535.0}
"""The level of white of the types that have one. For integers of other sizes and floats, several are usual."""


def levels(values: npt.NDArray[Any], white: float, what: str) -> Levels:
    """The levels that occur; AlphabarError, which names `what`, if one is negative, above `white` or not a number.

    AlphabarError, too, if the type of the values cannot reach `white`: all would be dark.
    """
    most = WHITE.get(values.dtype.name)
    if most is not None and white > most:
        raise AlphabarError(
            f"{what} stores levels of at most {most:g}, which cannot reach data.white={white:g}; set data.white to a "
            "level that the files can store."
        )
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= white):  # written with `not`, so that NaN is refused too
        raise AlphabarError(
            f"{what} has levels from {low:g} to {high:g}, and white is {white:g}; set data.white to the level that is "
            "white, at least the highest."
        )
    return Levels(low, high, white)


def eight_bit(values: npt.NDArray[Any], white: float) -> npt.NDArray[np.uint8]:
    """The levels 0..white as 0..255, rounded."""
    if values.dtype == np.uint8 and white == 255:
        return values
    scaled = np.empty(values.shape, np.uint8)
    source, target = values.reshape(-1), scaled.reshape(-1)
    for start in range(0, source.size, _CHUNK):
        part = source[start : start + _CHUNK].astype(np.float64)
        target[start : start + _CHUNK] = np.rint(part * (255 / white))
    return scaled
