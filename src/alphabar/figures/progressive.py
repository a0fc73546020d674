"""DDPM Fig. 6."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from alphabar import images, plots
from alphabar.errors import AlphabarError
from alphabar.figures.reverse import MOST_ROWS, Reverse, reverse
from alphabar.progress import progress
from alphabar.sampling import job as generation


def progressive(
    run: Path,
    seeds: Sequence[int],
    columns: int,
    changes: Mapping[str, Any],
    label: str | None,
    weights: str,
    step: str | None,
    device: torch.device,
) -> plots.Drawn:
    """The x̂_0 that the reverse process believes in at evenly spaced points of its chain, from x_T on; at t = 0, x_0.

    The table: RMSE between x̂_0 and x_0 of each image, in levels of 255, and over all ('all', from the mean square).
    """
    r = reverse(run, seeds, changes, label, weights, step, device)
    if not 2 <= columns <= min(r.K + 1, MOST_ROWS):
        raise AlphabarError(
            f"The columns stand for different points of a chain of {r.K} steps: 2 to {min(r.K + 1, MOST_ROWS)} of "
            f"them; got {columns}."
        )
    rows = [round(r.K * (1 - k / (columns - 1))) for k in range(columns)]
    believed = _believed(r, rows)
    mse = np.stack([(x0 - believed[0]).double().square().flatten(1).mean(1).numpy() for x0 in believed.values()], 1)
    times, rmse = r.denoiser.schedule.timesteps[rows].tolist(), 127.5 * np.sqrt(mse.mean(0))
    taken = [r.K - row for row in rows]
    classes = r.job.labels or [""] * len(seeds)
    table = plots.Table.of(
        *(
            r.about | {"seed": seed, "class": y, "t": times, "reverse_steps": taken, "rmse": 127.5 * np.sqrt(errors)}
            for seed, y, errors in zip(seeds, classes, mse, strict=True)
        ),
        r.about | {"seed": "all", "class": "", "t": times, "reverse_steps": taken, "rmse": rmse},
    )
    shown = torch.stack([images.to_uint8(x0) for x0 in believed.values()], dim=1)
    names = [r.name(k) for k in range(len(seeds))]
    return plots.Drawn(plots.progressive(shown, names, times, rmse, r.how), table)


def _believed(r: Reverse, rows: Sequence[int]) -> dict[int, Tensor]:
    """x̂_0 (N, C, H, W) at these rows of the chain, in their order; row 0 is x_0."""
    found: dict[int, list[Tensor]] = {row: [] for row in rows}
    with progress("drawing", len(r.job.seeds)) as advance:
        for step in generation.draw(r.denoiser, r.sampler, r.job, r.section.batch_size, r.device, r.condition):
            advance(len(step.x) / r.K)
            if step.t + 1 in found:
                found[step.t + 1].append(step.x0.cpu())
            if step.t == 0:
                found[0].append(step.x.cpu())
    return {row: torch.cat(parts) for row, parts in found.items()}
