"""IDDPM Fig. 3."""

import torch
from torch import Tensor

from alphabar import images, plots
from alphabar.diffusion import q_sample
from alphabar.errors import AlphabarError
from alphabar.figures.chains import chain
from alphabar.figures.reverse import MOST_ROWS

NAMES = ("linear", "cosine")


def forward(image: Tensor, T: int = 1000, columns: int = 9) -> plots.Figure:
    """x_t of an image, uint8 (C, H, W), at evenly spaced t = 0..T: linear above cosine, with one ε everywhere."""
    chains = {name: chain(name, T) for name in NAMES}
    most = min(T + 1, MOST_ROWS)
    if not 2 <= columns <= most:
        raise AlphabarError(f"The columns show different t in 0..{T}, so there must be 2 to {most}; got {columns}.")
    x0 = images.to_signed(image)[None]
    eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(0))
    times = [round(T * k / (columns - 1)) for k in range(columns)]
    rows = {
        name: torch.cat([images.to_uint8(q_sample(schedule, x0, t, eps)) for t in times])
        for name, schedule in chains.items()
    }
    alpha_bars = {name: schedule.alpha_bar[times].numpy() for name, schedule in chains.items()}
    table = plots.Table.of(
        *(
            {
                "schedule": name,
                "T": T,
                "t": times,
                "alpha_bar": values,
                "signal": values**0.5,
                "noise": (1 - values) ** 0.5,
            }
            for name, values in alpha_bars.items()
        )
    )
    return plots.Figure(plots.forward(rows, times, alpha_bars), table)
