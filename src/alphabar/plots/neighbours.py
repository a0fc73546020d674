"""Plot of generated images beside their nearest real images."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from alphabar import images
from alphabar.plots.figure import save
from alphabar.plots.style import canvas


def neighbours(path: Path, blocks: Mapping[str, Sequence[tuple[Tensor, Tensor]]], caption: str) -> None:
    """Saves a figure of titled blocks of rows. A row is an image uint8 (C, H, W), a gap, and its neighbours.

    The neighbours (K, C, H, W) are in the given order, nearest first.
    """
    columns = 1 + max(len(near) for rows in blocks.values() for _, near in rows)
    tall = max(map(len, blocks.values()))
    figure = canvas(0.62 * columns * len(blocks), 0.62 * tall + 0.8)
    for block, (title, rows) in zip(figure.subfigures(1, len(blocks), squeeze=False)[0], blocks.items(), strict=True):
        block.suptitle(title, fontsize=9)
        axes = block.subplots(tall, columns, squeeze=False, gridspec_kw={"width_ratios": [1.3] + [1] * (columns - 1)})
        for axis in axes.flat:
            axis.axis("off")
        for line, (image, near) in zip(axes, rows, strict=False):
            for axis, shown in zip(line, [image, *near], strict=False):
                axis.imshow(images.to_pil(shown), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    figure.supxlabel(caption, fontsize=9)
    save(figure, path, caption)
