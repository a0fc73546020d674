"""The place of a picture: a number that follows from what it shows, by which it is held out or not."""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_BITS = 53  # of a float between 0 and 1


def place(picture: npt.NDArray[np.uint8]) -> float:
    """A number in [0, 1), evenly distributed over pictures uint8 (H, W, C), from what the picture shows alone.

    It is the sha256 of the size and the pixels, of the picture or of its mirror image, whichever has the smaller bytes:
    equal and mirrored pictures have the same number, whatever their names and their order.
    """
    size = repr(picture.shape).encode()
    pixels = min(picture.tobytes(), picture[:, ::-1].tobytes())
    number = int.from_bytes(hashlib.sha256(size + pixels).digest()[:8])
    return float(number >> (64 - _BITS)) / (1 << _BITS)


@dataclass(frozen=True)
class Places:
    """The `place` of each picture of a set, float64 (N,), and whether the picture is transparent, bool (N,)."""

    numbers: npt.NDArray[np.float64]
    transparent: npt.NDArray[np.bool_]
