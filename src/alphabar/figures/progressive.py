"""Progressive decoding (DDPM Fig. 6)."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from alphabar import images, plots
from alphabar.errors import AlphabarError
from alphabar.figures.reverse import MOST_ROWS, about, how, image_name
from alphabar.sampling.job import Job
from alphabar.sampling.pipeline import Pipeline
from alphabar.terminal.progress import progress


def progressive(pipeline: Pipeline, seeds: Sequence[int] = range(8), columns: int | None = None) -> plots.Figure:
    """The estimates x̂_0 of the reverse process at evenly spaced points of its chain, from x_T on; at t = 0, x_0.

    The table: RMSE between x̂_0 and x_0 of each image, in levels of 255, and over all ('all', from the mean square).
    """
    K, job = pipeline.steps_per_image, pipeline.job(seeds)
    columns = min(10, K + 1) if columns is None else columns
    if len(seeds) > MOST_ROWS:
        raise AlphabarError(f"A picture of {len(seeds):,} rows is too tall; name at most {MOST_ROWS} seeds.")
    if not 2 <= columns <= min(K + 1, MOST_ROWS):
        raise AlphabarError(
            f"The columns show different points of a chain of {K} steps, so there are 2 to {min(K + 1, MOST_ROWS)} of "
            f"them; got {columns}."
        )
    rows = [round(K * (1 - k / (columns - 1))) for k in range(columns)]
    estimates = _estimates(pipeline, job, rows)
    mse = np.stack([(x0 - estimates[0]).double().square().flatten(1).mean(1).numpy() for x0 in estimates.values()], 1)
    times, rmse = pipeline.denoiser.schedule.timesteps[rows].tolist(), 127.5 * np.sqrt(mse.mean(0))
    shared = about(pipeline) | {"t": times, "reverse_steps": [K - row for row in rows]}
    table = plots.Table.of(
        *(
            shared | {"seed": seed, "class": y, "rmse": 127.5 * np.sqrt(errors)}
            for seed, y, errors in zip(seeds, job.labels or [""] * len(seeds), mse, strict=True)
        ),
        shared | {"seed": "all", "class": "", "rmse": rmse},
    )
    tiles = torch.stack([images.to_uint8(x0) for x0 in estimates.values()], dim=1)
    names = [image_name(pipeline, job, k) for k in range(len(seeds))]
    return plots.Figure(plots.progressive(tiles, names, times, rmse, how(pipeline)), table)


def _estimates(pipeline: Pipeline, job: Job, rows: Sequence[int]) -> dict[int, Tensor]:
    """x̂_0 (N, C, H, W) at these rows of the chain, in their order; row 0 is x_0."""
    parts: dict[int, list[Tensor]] = {row: [] for row in rows}
    pipeline.prepare()
    with progress("sampling", len(job.seeds)) as advance:
        for step in pipeline.steps(job):
            advance(len(step.x) / pipeline.steps_per_image)
            if step.t + 1 in parts:
                parts[step.t + 1].append(step.x0.cpu())
            if step.t == 0:
                parts[0].append(step.x.cpu())
    return {row: torch.cat(x0) for row, x0 in parts.items()}
