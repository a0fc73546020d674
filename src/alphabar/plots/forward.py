"""Plot of the forward process on one image, by schedule (IDDPM Fig. 3)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from alphabar import images
from alphabar.plots.style import Array, canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TILE = 1.0  # inches


def forward(rows: Mapping[str, Tensor], times: Sequence[int], alpha_bars: Mapping[str, Array]) -> "Figure":
    """The noisy images x_t, uint8 (K, C, H, W), at K times: one row per schedule, with ᾱ_t below each image."""
    figure = canvas(TILE * len(times) + 0.6, (TILE + 0.18) * len(rows) + 0.3)
    grid = figure.subplots(len(rows), len(times), squeeze=False)
    for line, (name, shown) in zip(grid, rows.items(), strict=True):
        for axes, image, alpha_bar in zip(line, shown, alpha_bars[name], strict=True):
            axes.imshow(images.to_pil(image), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            axes.set_xlabel(rf"$\bar\alpha_t = {_short(alpha_bar)}$", fontsize=8)
        line[0].set_ylabel(name, fontsize=11)
    for axes, t in zip(grid[0], times, strict=True):
        axes.set_title(f"$t = {t}$", fontsize=9)
    return figure


def _short(x: float) -> str:
    """A number with two significant digits: 0.52, 4.3·10⁻⁴."""
    if x >= 0.001 or x == 0:
        return f"{x:.2g}"
    digits, power = f"{x:.1e}".split("e")
    return rf"{digits}\cdot10^{{{int(power)}}}"
