"""What the reverse process believes in as it goes on (DDPM Fig. 6)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from alphabar.plots.style import Array
from alphabar.plots.tiles import tiles

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def progressive(x0: Tensor, names: Sequence[str], times: Sequence[int], rmse: Array, how: str) -> "Figure":
    """x̂_0 at x_t, uint8 (N, K, C, H, W), at K times, a row for each image, and how far all are from their ends."""
    words = [f"{value:.3g}" for value in rmse]
    note = r"RMSE of $\hat x_0$ to $x_0$ over all rows, in levels of 255"
    return tiles(x0, rf"$\hat x_0$ at $x_t$: {how}", [f"$t = {t}$" for t in times], names, words, note)
