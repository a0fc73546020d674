"""What is around the subject of a picture: blank space, a plain border, and the background that shows the subject."""

import numpy as np
import numpy.typing as npt

from alphabar.data.contents import counted
from alphabar.data.glance import Glance, Pixels
from alphabar.images import BLACK, WHITE, Colour

_NEAR = 16  # levels: two colours that differ by less look alike
_BLANK_SHARE = 0.01  # of the values that differ from the rest of the picture
_BORDER_SHARE = 0.95  # of the values at the edge that are near their median


def are_blank(thumbnails: Pixels) -> npt.NDArray[np.bool_]:
    """(n,) for uint8 (n, H, W, C): whether nearly all values are near the median of their channel."""
    values = thumbnails.reshape(len(thumbnails), -1, thumbnails.shape[3]).astype(np.int16)
    return np.asarray((np.abs(values - np.median(values, 1, keepdims=True)) >= _NEAR).mean((1, 2)) < _BLANK_SHARE)


def background(pictures: Glance) -> tuple[Colour, str]:
    """White or black for transparent pictures, whichever leaves fewer blank; else the colour of plain borders."""
    if not pictures.transparent.any():
        return _border(pictures)
    white, black = (int(are_blank(pictures.on(colour))[pictures.transparent].sum()) for colour in (WHITE, BLACK))
    number = counted(int(pictures.transparent.sum()), "transparent picture")
    looked = " looked at" if len(pictures.sizes) < pictures.count else ""
    why = f"of {number}{looked}, nearly blank on white: {white:,}, on black: {black:,}"
    return (WHITE if white <= black else BLACK), why


def _border(pictures: Glance) -> tuple[Colour, str]:
    """The colour of the borders of opaque pictures, if most have the same one; else black."""
    thumbnails = pictures.on(BLACK)
    plain = _are_plain(thumbnails)
    if plain.mean() > 0.5:
        red, green, blue = np.median(_borders(thumbnails)[plain], 0).astype(int).tolist()
        if are_framed(pictures, (red, green, blue)):
            return (red, green, blue), "no picture is transparent, and most have a border of this colour"
    return BLACK, "no picture is transparent"


def _edges(thumbnails: Pixels) -> npt.NDArray[np.int16]:
    """(n, values, C): the outermost pixels."""
    rows, columns = thumbnails[:, [0, -1]], thumbnails[:, 1:-1, [0, -1]]
    count, channels = len(thumbnails), thumbnails.shape[3]
    return np.concatenate([each.reshape(count, -1, channels) for each in (rows, columns)], 1).astype(np.int16)


def _borders(thumbnails: Pixels) -> npt.NDArray[np.float64]:
    """(n, C): the median colour at the edge."""
    return np.asarray(np.median(_edges(thumbnails), 1))


def _are_plain(thumbnails: Pixels) -> npt.NDArray[np.bool_]:
    """(n,): whether the edge has one colour, and the picture more."""
    near = (np.abs(_edges(thumbnails) - _borders(thumbnails)[:, None]) < _NEAR).all(2).mean(1) >= _BORDER_SHARE
    return np.asarray(near & ~are_blank(thumbnails))


def are_framed(pictures: Glance, colour: Colour) -> bool:
    """Whether most pictures are transparent, or have a border of that colour."""
    thumbnails = pictures.on(colour)
    alike = (np.abs(_borders(thumbnails) - colour) < _NEAR).all(1)
    return bool((pictures.transparent | (_are_plain(thumbnails) & alike)).mean() > 0.5)
