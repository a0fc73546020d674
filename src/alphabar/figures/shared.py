"""Images that share x_t (DDPM Fig. 7)."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from alphabar import images, plots
from alphabar.diffusion import NoiseSchedule, SeededNoise, reverse_process
from alphabar.diffusion.editing import share
from alphabar.errors import AlphabarError
from alphabar.figures.reverse import MOST_ROWS, about, how, image_name
from alphabar.sampling.job import Job
from alphabar.sampling.pipeline import Pipeline
from alphabar.seeds import LIMIT
from alphabar.terminal.progress import progress


def shared(pipeline: Pipeline, seed: int, at: Sequence[float], count: int = 8) -> plots.Figure:
    """The chain of `seed` is stopped at several t; from each x_t `count` chains go on, with the noise of seed + 1, ...

    at: timesteps of the model's chain, or shares of T if all are at most 1; the nearest that the sampler visits are
    used. The table: the RMSE between two x_0 that share x_t, in levels of 255, the mean over all pairs.
    """
    if not 2 <= count <= MOST_ROWS:
        raise AlphabarError(f"Images that share x_t are compared, so --count takes 2 to {MOST_ROWS}; got {count}.")
    schedule, K, job = pipeline.denoiser.schedule, pipeline.steps_per_image, pipeline.job([seed])
    rows = rows_at(schedule, at, pipeline.model.denoiser.schedule.T)
    if not is_stochastic(pipeline):
        raise AlphabarError(
            f"The sampler '{pipeline.section.sampler}' adds no noise here, so all chains from one x_t would end in "
            "the same image; choose ddpm, or ddim with an --eta above 0."
        )
    seeds = tuple((seed + k) % LIMIT for k in range(1, count + 1))
    others = replace(job.of([0] * count), seeds=seeds)
    pipeline.prepare()
    with progress("sampling", sum(rows) * count + K - rows[-1]) as advance:
        states = _states(pipeline, job, rows, advance)
        ends = torch.stack([_ends(pipeline, states[row], row, others, advance) for row in rows])
    times = schedule.timesteps[rows].tolist()
    rmse = np.array([mean_pairwise_rmse(x0) for x0 in ends])
    table = plots.Table.of(
        about(pipeline)
        | {"seed": seed, "class": job.labels[0] if job.labels else "", "t": times}
        | {"alpha_bar": schedule.alpha_bar[rows].numpy(), "chains": count, "pairwise_rmse": rmse}
    )
    title = f"{how(pipeline)}; the chain of {image_name(pipeline, job, 0)}".replace("\n", ", ")
    x_t = images.to_uint8(torch.cat([states[row] for row in rows])).cpu()
    return plots.Figure(plots.shared(x_t, images.to_uint8(ends), times, rmse, title), table)


def rows_at(schedule: NoiseSchedule, at: Sequence[float], T: int) -> list[int]:
    """The rows of a (respaced) chain nearest to these timesteps or shares of T, descending."""
    are_shares = max(at) <= 1
    if wrong := [t for t in at if not 0 < t <= (1 if are_shares else T) or not (are_shares or t == int(t))]:
        raise AlphabarError(
            f"--at takes timesteps, whole numbers of 1 to {T:,}, or shares of T, above 0 to 1; got {wrong[0]:g}."
        )
    wanted = [T * t if are_shares else t for t in at]
    return sorted({1 + int((schedule.timesteps[1:] - t).abs().argmin()) for t in wanted}, reverse=True)


def is_stochastic(pipeline: Pipeline) -> bool:
    """Whether the sampler asks for noise on its way; it is tried with a network that outputs 0."""
    noisy = []

    def noise(x: Tensor) -> Tensor:
        noisy.append(True)
        return torch.zeros_like(x)

    channels = pipeline.model.facts.shape[0]
    outputs = channels * (2 if pipeline.denoiser.variance.learned else 1)
    denoiser = replace(pipeline.denoiser, network=lambda x, time: x.new_zeros(len(x), outputs, 1, 1))
    x = torch.zeros(1, channels, 1, 1)
    return any(noisy for _ in reverse_process(pipeline.sampler, denoiser, x, noise=noise))


def mean_pairwise_rmse(x0: Tensor) -> float:
    """Over all pairs of (N, C, H, W) in [-1, 1], in levels of 255."""
    flat = x0.flatten(1).double()
    distances = torch.pdist(flat) / flat.shape[1] ** 0.5
    return float(127.5 * distances.mean())


def _states(pipeline: Pipeline, job: Job, rows: Sequence[int], advance: Callable[[float], None]) -> dict[int, Tensor]:
    """x_t (1, C, H, W) of the one image at these rows of its chain."""
    x, _ = pipeline.noise(job)
    states = {pipeline.steps_per_image: x}
    for step in pipeline.steps(job):
        advance(1)
        if step.t in rows:
            states[step.t] = step.x
        if step.t <= rows[-1]:
            break
    return states


def _ends(pipeline: Pipeline, x: Tensor, row: int, job: Job, advance: Callable[[float], None]) -> Tensor:
    """The x_0 (N, C, H, W) of chains that go on from x at `row`, each with the noise of its seed."""
    ends = []
    for batch in job.batches(pipeline.section.batch_size):
        count, noise = len(batch.seeds), SeededNoise(batch.seeds)
        for step in share(pipeline.sampler, pipeline.conditioned(batch), x, start=row, count=count, noise=noise):
            advance(count)
            if step.t == 0:
                ends.append(step.x.cpu())
    return torch.cat(ends)
