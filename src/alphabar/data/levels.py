"""Stored levels -> 8 bits. Which level is white is known from the type, or from `data.white`; none may lie above it.

Floats are in [0, 1], or in [-1, 1] if one of them is negative.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from alphabar.data.contents import Levels
from alphabar.errors import AlphabarError

_CHUNK = 1 << 22  # values per chunk, to bound the memory of intermediate floats

WHITE = {"bool": 1.0, "uint8": 255.0, "uint16": 65535.0}
"""The level of white of the types that have one. For integers of other sizes, several are usual."""


def black_and_white(values: npt.NDArray[Any], what: str) -> tuple[float, float]:
    """The levels that are black and white; AlphabarError, which names `what`, if neither type nor range says it."""
    if (white := WHITE.get(values.dtype.name)) is not None:
        return 0.0, white
    if values.dtype.kind != "f":
        raise AlphabarError(
            f"{what} holds {values.dtype} values, and which of them is white is not known; set data.white, such as 255."
        )
    low, high = float(values.min()), float(values.max())
    if not (low >= -1 and high <= 1):  # written with `not`, so that NaN is refused too
        raise AlphabarError(
            f"{what} holds {values.dtype} values from {low:g} to {high:g}, not in [0, 1] or [-1, 1]; set data.white to "
            "the level that is white, if 0 is black."
        )
    return (-1.0 if low < 0 else 0.0), 1.0


def levels(values: npt.NDArray[Any], white: float, what: str, black: float = 0.0) -> Levels:
    """The levels that occur; AlphabarError, which names `what`, if one is below `black`, above `white` or not a number.

    AlphabarError, too, if the type of the values cannot reach `white`: all would be dark.
    """
    most = WHITE.get(values.dtype.name)
    if most is not None and white > most:
        raise AlphabarError(
            f"{what} stores levels of at most {most:g}, which cannot reach data.white={white:g}; set data.white to a "
            "level that the files can store."
        )
    low, high = float(values.min()), float(values.max())
    if not (low >= black and high <= white):  # written with `not`, so that NaN is refused too
        raise AlphabarError(
            f"{what} has levels from {low:g} to {high:g}, and white is {white:g}; set data.white to the level that is "
            "white, at least the highest."
        )
    return Levels(low, high, white, black)


def eight_bit(values: npt.NDArray[Any], white: float, black: float = 0.0) -> npt.NDArray[np.uint8]:
    """The levels black..white as 0..255, rounded."""
    if values.dtype == np.uint8 and (black, white) == (0, 255):
        return values
    scaled = np.empty(values.shape, np.uint8)
    source, target = values.reshape(-1), scaled.reshape(-1)
    for start in range(0, source.size, _CHUNK):
        part = source[start : start + _CHUNK].astype(np.float64)
        target[start : start + _CHUNK] = np.rint((part - black) * (255 / (white - black)))
    return scaled
