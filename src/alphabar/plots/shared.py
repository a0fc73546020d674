"""What images have in common that share x_t (DDPM Fig. 7)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from alphabar.plots.style import Array
from alphabar.plots.tiles import tiles

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def shared(x_t: Tensor, x0: Tensor, times: Sequence[int], rmse: Array, how: str) -> "Figure":
    """x_t, uint8 (R, C, H, W), each beside the x_0 that were drawn from it, (R, K, C, H, W), and how these differ."""
    names = [f"$t = {t}$\nRMSE {value:.3g}" for t, value in zip(times, rmse, strict=True)]
    above = ["$x_t$", *("$x_0$" for _ in range(x0.shape[1]))]
    note = "RMSE of two $x_0$ that share $x_t$, mean over pairs, in levels of 255"
    return tiles(torch.cat([x_t[:, None], x0], dim=1), how, above, names, [""], note, first_apart=True)
