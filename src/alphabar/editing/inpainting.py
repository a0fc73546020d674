"""A part of an image, sampled anew to fit the rest (RePaint, Lugmayr et al. 2022)."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from alphabar.diffusion import SeededNoise
from alphabar.diffusion.editing import inpaint, inpainting_levels
from alphabar.editing.edit import Edit, batches, denoiser_of, end_image, file_name_part
from alphabar.editing.pictures import Mask, Picture, signed
from alphabar.errors import AlphabarError, sentences
from alphabar.sampling.pipeline import Pipeline
from alphabar.terminal.progress import progress

STEPS = 25
"""The number of steps if none is named."""
RESAMPLINGS = 4
"""How often each part of the chain is run if nobody says it: with `STEPS`, 97 network calls."""


@dataclass(frozen=True)
class Resampling:
    """RePaint's j, how many steps the chain goes back up (None: 1/25 of all), and r, how often each part is run."""

    jump_length: int | None = None
    resamplings: int = RESAMPLINGS


def inpainting(pipeline: Pipeline, picture: Picture, mask: Mask, seeds: Sequence[int], how: Resampling) -> Edit:
    """What may stand in the masked pixels, for each seed; the other pixels are unchanged.

    The picture shows the image, the part of it that is known, and the results.
    """
    if pipeline.sampler.memory:
        raise AlphabarError(
            f"Inpainting goes back up the chain, and the sampler '{pipeline.section.sampler}' builds on its earlier "
            "steps; choose ddpm, ddim, euler or heun."
        )
    t = pipeline.last_timestep
    with sentences():
        levels = inpainting_levels(len(pipeline.rows_up_to(t)), how.jump_length, how.resamplings)
    options: dict[str, object] = {"inpainted": picture.name, "mask": mask.name, "seeds": list(seeds)}
    options |= {"jump_length": how.jump_length, "resamplings": how.resamplings}
    batches_of_seeds, steps = batches(pipeline, seeds), sum(b < a for a, b in pairwise(levels))

    def make() -> tuple[Tensor, Tensor, int]:
        known, chain = 1 - mask.unknown[None].to(pipeline.model.device), pipeline.up_to(t)
        results = []
        with progress("inpainting", steps * len(batches_of_seeds)) as advance:
            for batch in batches_of_seeds:
                x0 = signed(pipeline, picture).expand(len(batch), -1, -1, -1)
                chain_steps = inpaint(
                    pipeline.sampler, denoiser_of(chain, len(batch)), x0, known.to(x0),
                    jump_length=how.jump_length, resamplings=how.resamplings, noise=SeededNoise(batch),
                )  # fmt: skip
                results.append(end_image(chain_steps, advance))
        samples = torch.cat(results)
        return samples, mask.shown(picture, samples), 10

    return Edit(pipeline, f"inpaint-{file_name_part(picture.name)}-{file_name_part(mask.short_name)}", options, make)
