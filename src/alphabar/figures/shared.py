"""DDPM Fig. 7."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from alphabar import images, plots
from alphabar.diffusion import NoiseSchedule, SeededNoise, reverse_process, share
from alphabar.errors import AlphabarError
from alphabar.figures.reverse import MOST_ROWS, Reverse, reverse
from alphabar.progress import progress
from alphabar.sampling import job as generation
from alphabar.sampling.job import Job


def shared(
    run: Path,
    seed: int,
    at: Sequence[float],
    count: int,
    changes: Mapping[str, Any],
    label: str | None,
    weights: str,
    step: str | None,
    device: torch.device,
) -> plots.Drawn:
    """The chain of `seed` is stopped at several t; from each x_t `count` chains go on, with the noise of seed + 1, ...

    at: timesteps of the model's chain, or shares of T if all are at most 1; the nearest that the sampler visits are
    taken. The table: the RMSE between two x_0 that share x_t, in levels of 255, the mean over all pairs.
    """
    if not 2 <= count <= MOST_ROWS:
        raise AlphabarError(f"Images that share x_t are compared, so --count takes 2 to {MOST_ROWS}; got {count}.")
    r = reverse(run, [seed], changes, label, weights, step, device)
    rows = rows_at(r.denoiser.schedule, at, r.model.denoiser.schedule.T)
    if not is_stochastic(r):
        raise AlphabarError(
            f"From one x_t the sampler '{r.section.sampler}' adds no noise here and would draw one image again and "
            "again; choose ddpm, or ddim with an --eta above 0."
        )
    seeds = tuple((seed + k) % 2**32 for k in range(1, count + 1))
    job = Job(seeds, r.job.labels and r.job.labels * count, r.job.shape)
    with progress("drawing", sum(rows) * count + r.K - rows[-1]) as advance:
        states = _states(r, rows, advance)
        ends = torch.stack([_continued(r, states[row], row, job, advance) for row in rows])
    times = r.denoiser.schedule.timesteps[rows].tolist()
    rmse = np.array([mean_pairwise_rmse(x0) for x0 in ends])
    table = plots.Table.of(
        r.about
        | {"seed": seed, "class": r.job.labels[0] if r.job.labels else "", "t": times}
        | {"alpha_bar": r.denoiser.schedule.alpha_bar[rows].numpy(), "chains": count, "pairwise_rmse": rmse}
    )
    how = f"{r.how}; the chain of {r.name(0)}".replace("\n", ", ")
    x_t = images.to_uint8(torch.cat([states[row] for row in rows])).cpu()
    return plots.Drawn(plots.shared(x_t, images.to_uint8(ends), times, rmse, how), table)


def rows_at(schedule: NoiseSchedule, at: Sequence[float], T: int) -> list[int]:
    """The rows of a (respaced) chain nearest to these timesteps or shares of T, descending."""
    are_shares = max(at) <= 1
    if wrong := [t for t in at if not 0 < t <= (1 if are_shares else T) or not (are_shares or t == int(t))]:
        raise AlphabarError(
            f"--at takes timesteps, whole numbers of 1 to {T:,}, or shares of T, above 0 to 1; got {wrong[0]:g}."
        )
    wanted = [T * t if are_shares else t for t in at]
    return sorted({1 + int((schedule.timesteps[1:] - t).abs().argmin()) for t in wanted}, reverse=True)


def is_stochastic(r: Reverse) -> bool:
    """Whether the sampler asks for noise on its way: tried with a network that says 0."""
    asked = []

    def noise(x: Tensor) -> Tensor:
        asked.append(x)
        return torch.zeros_like(x)

    channels = r.job.shape[0]
    outputs = channels * (2 if r.denoiser.variance.learned else 1)
    denoiser = replace(r.denoiser, network=lambda x, time: x.new_zeros(len(x), outputs, 1, 1))
    x = torch.zeros(1, channels, 1, 1)
    return any(asked for _ in reverse_process(r.sampler, denoiser, x, noise=noise))


def mean_pairwise_rmse(x0: Tensor) -> float:
    """Over all pairs of (N, C, H, W) in [-1, 1], in levels of 255."""
    flat = x0.flatten(1).double()
    distances = torch.pdist(flat) / flat.shape[1] ** 0.5
    return float(127.5 * distances.mean())


def _states(r: Reverse, rows: Sequence[int], advance: Callable[[float], None]) -> dict[int, Tensor]:
    """x_t (1, C, H, W) of the one image at these rows of its chain."""
    found = {r.K: SeededNoise(r.job.seeds)(torch.empty((1, *r.job.shape), device=r.device))}
    for step in generation.denoise(r.denoiser, r.sampler, r.job, r.device, r.condition):
        advance(1)
        if step.t in rows:
            found[step.t] = step.x
        if step.t <= rows[-1]:
            break
    return found


def _continued(r: Reverse, x: Tensor, row: int, job: Job, advance: Callable[[float], None]) -> Tensor:
    """The x_0 (N, C, H, W) of chains that go on from x at `row`, each with the noise of its seed."""
    ends = []
    for batch in job.batches(r.section.batch_size):
        noise = SeededNoise(batch.seeds)
        denoiser = r.denoiser
        if batch.labels is not None:
            denoiser = r.condition(denoiser, torch.tensor(batch.labels, device=r.device))
        for step in share(r.sampler, denoiser, x, start=row, count=len(batch.seeds), noise=noise):
            advance(len(batch.seeds))
            if step.t == 0:
                ends.append(step.x.cpu())
    return torch.cat(ends)
