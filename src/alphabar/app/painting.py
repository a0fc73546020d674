"""What was painted over a picture -> the mask of the pixels to sample anew."""

from pathlib import Path

import numpy as np
from PIL import Image

from alphabar.errors import AlphabarError
from alphabar.images import TooLargeError, opened

CANVAS = 512
"""The sides of the canvas to paint on are at most this many pixels."""
_MOST = 4 * 1024 * 1024
"""Pixels of a painted mask; the canvas, enlarged by a screen of high density, has fewer."""


def painted(layers: list[str], size: tuple[int, int]) -> Image.Image:
    """The mask of painted layers: grey, (H, W) = size, white where anything was painted.

    AlphabarError if nothing was, or a layer is no picture.
    """
    height, width = size
    mask = np.zeros((height, width), np.uint8)
    for layer in layers:
        try:
            with opened(Path(layer), ("PNG", "WEBP"), _MOST) as picture:
                alpha = picture.convert("RGBA").getchannel("A")
        except TooLargeError as error:
            raise AlphabarError(f"The painted mask is too large ({error} pixels).") from None
        except (OSError, SyntaxError, ValueError):
            raise AlphabarError("The painted mask is not a picture; paint it again.") from None
        mask = np.maximum(mask, np.asarray(alpha.resize((width, height), Image.Resampling.BOX)))
    if mask.max() <= 127:
        raise AlphabarError("Nothing is painted yet; paint over the part that is to be sampled anew.")
    return Image.fromarray(np.where(mask > 127, np.uint8(255), np.uint8(0)))
