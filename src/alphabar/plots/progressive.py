"""Plot of the prediction x̂_0 during the reverse process (DDPM Fig. 6)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from alphabar.plots.style import Array
from alphabar.plots.tiles import tiles

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def progressive(x0: Tensor, names: Sequence[str], times: Sequence[int], rmse: Array, how: str) -> "Figure":
    """x̂_0 at x_t, uint8 (N, K, C, H, W), at K times, one row per image.

    rmse (K,): the distance of x̂_0 to the final x_0 over all rows, in grey levels. how: the sampling settings as text.
    """
    errors = [f"{value:.3g}" for value in rmse]
    note = r"RMSE between $\hat x_0$ and the final $x_0$, over all rows (grey levels 0–255)"
    return tiles(x0, rf"$\hat x_0$ at $x_t$: {how}", [f"$t = {t}$" for t in times], names, errors, note)
