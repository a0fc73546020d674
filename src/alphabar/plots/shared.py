"""Plot of images sampled from one x_t, which are less alike the larger t is (DDPM Fig. 7)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from alphabar.plots.style import Array
from alphabar.plots.tiles import tiles

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def shared(x_t: Tensor, x0: Tensor, times: Sequence[int], rmse: Array, how: str) -> "Figure":
    """Each x_t, uint8 (R, C, H, W), beside the K images x_0 (R, K, C, H, W) that were sampled from it.

    rmse (R,): the mean distance of two of these x_0, in grey levels. how: the sampling settings as text.
    """
    names = [f"$t = {t}$\nRMSE {value:.3g}" for t, value in zip(times, rmse, strict=True)]
    above = ["$x_t$", *("$x_0$" for _ in range(x0.shape[1]))]
    note = "RMSE between two $x_0$ sampled from one $x_t$, mean over pairs (grey levels 0–255)"
    return tiles(torch.cat([x_t[:, None], x0], dim=1), how, above, names, [""], note, first_apart=True)
