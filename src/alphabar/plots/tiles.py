"""A grid of labelled images, close together on white, as in the papers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from torch import Tensor

from alphabar import images
from alphabar.plots.figure import DPI
from alphabar.plots.style import canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TILE = 0.75  # inches


def tiles(
    shown: Tensor,
    title: str,
    above: Sequence[str],
    left: Sequence[str],
    below: Sequence[str],
    note: str,
    first_apart: bool = False,
) -> "Figure":
    """R rows of K images, uint8 (R, K, C, H, W), with labels above and below the columns and left of the rows.

    below: labels of the last columns, as many as there are labels. note: a line below everything.
    first_apart: whether a wider gap separates the first column from the others.
    """
    sheet, xs, ys = _sheet(shown, first_apart)
    tall = TILE * len(shown)
    wide = tall * sheet.shape[1] / sheet.shape[0]
    figure = canvas(max(4.4, wide + 1.2), max(2.7, tall + 1.25))
    axes = figure.subplots()
    shrinks = shown.shape[-2] > TILE * DPI  # shrunk images need antialiasing
    axes.imshow(sheet, cmap="gray", vmin=0, vmax=255, interpolation="antialiased" if shrinks else "nearest")
    axes.set_xticks(xs, above, fontsize=9)
    axes.xaxis.tick_top()
    axes.set_yticks(ys, left, fontsize=9)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    under = axes.secondary_xaxis("bottom")
    under.set_xticks(xs[-len(below) :], below, fontsize=9)
    under.tick_params(length=0)
    under.spines[:].set_visible(False)
    axes.set_title(title, fontsize=10)
    figure.supxlabel(note, fontsize=9)
    return figure


def _sheet(shown: Tensor, first_apart: bool) -> tuple[npt.NDArray[np.uint8], list[float], list[float]]:
    """The grid as pixels (H', W') or (H', W', 3 or 4), and the pixel positions of the columns' and rows' centres."""
    rows, columns = shown.shape[:2]
    pictures = [np.asarray(images.to_pil(image)) for image in shown.flatten(0, 1)]
    height, width = pictures[0].shape[:2]
    gap = max(1, height // 24)
    lefts = [k * (width + gap) + (width // 3 if first_apart and k else 0) for k in range(columns)]
    tops = [k * (height + gap) for k in range(rows)]
    sheet = np.full((tops[-1] + height, lefts[-1] + width, *pictures[0].shape[2:]), 255, np.uint8)
    for k, picture in enumerate(pictures):
        top, left = tops[k // columns], lefts[k % columns]
        sheet[top : top + height, left : left + width] = picture
    return sheet, [x + (width - 1) / 2 for x in lefts], [y + (height - 1) / 2 for y in tops]
