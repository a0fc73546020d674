"""Other images near an image: noised to a level and denoised again (SDEdit, Meng et al. 2022)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from alphabar.diffusion import SeededNoise
from alphabar.diffusion.editing import vary
from alphabar.editing.edit import Edit, batches, denoiser_of, end_image, file_name_part
from alphabar.editing.pictures import Picture, signed
from alphabar.sampling.pipeline import Pipeline
from alphabar.terminal.progress import progress


def variation(pipeline: Pipeline, picture: Picture, times: Sequence[int], seeds: Sequence[int]) -> Edit:
    """A row for each t of `times`: the picture noised to x_t with the noise of each seed, and denoised."""
    for t in times:
        pipeline.rows_up_to(t)
    options = {"varied": picture.name, "t": list(times), "seeds": list(seeds)}
    parts = batches(pipeline, seeds)
    return Edit(
        pipeline, f"vary-{file_name_part(picture.name)}", options, lambda: _make(pipeline, picture, times, parts)
    )


def _make(
    pipeline: Pipeline, picture: Picture, times: Sequence[int], parts: Sequence[Sequence[int]]
) -> tuple[Tensor, Tensor, int]:
    rows = []
    chains = [pipeline.up_to(t) for t in times]
    with progress("varying", sum(chain.steps_per_image for chain in chains) * len(parts)) as advance:
        for chain in chains:
            row = []
            for seeds in parts:
                denoiser = denoiser_of(chain, len(seeds))
                x0 = signed(pipeline, picture).expand(len(seeds), -1, -1, -1)
                steps = vary(pipeline.sampler, denoiser, x0, start=denoiser.schedule.T, noise=SeededNoise(seeds))
                row.append(end_image(steps, advance))
            rows.append(torch.cat(row))
    tiles = torch.cat([torch.cat([picture.pixels[None], row]) for row in rows])
    return torch.cat(rows), tiles, len(rows[0]) + 1
