"""The images between two images: mixed at a noise level and denoised (DDPM §4.4, Fig. 8 and 9)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from alphabar import images
from alphabar.diffusion import DDIM, SeededNoise
from alphabar.diffusion.editing import MIXES, interpolate, interpolate_latents
from alphabar.editing.edit import Edit, denoiser_of, end, file_name_part
from alphabar.editing.inversion import check_round_trip, encode_on, relative_errors
from alphabar.editing.pictures import Picture, signed
from alphabar.errors import AlphabarError
from alphabar.registry import look_up
from alphabar.sampling.pipeline import Pipeline
from alphabar.terminal.progress import progress

LATENTS = ("noised", "encoded")
"""How an image is brought to level t: by q(x_t | x_0), or by running DDIM backwards."""


@dataclass(frozen=True)
class Interpolation:
    """A row for each t of `times`: `points` mixtures, from λ = 0 (the first image) to λ = 1 (the second)."""

    times: Sequence[int]
    points: int = 9
    mix: str = "linear"
    """A key of MIXES."""
    latents: str = "noised"
    """One of LATENTS. Encoded latents are decoded by DDIM without noise, so that the ends are the images themselves."""
    seed: int = 0
    """The seed of the noise, which all mixtures share."""

    def __post_init__(self) -> None:
        look_up(MIXES, self.mix, "mix")
        if self.latents not in LATENTS:
            raise AlphabarError(f"Latents are noised or encoded; got '{self.latents}'.")
        if not 2 <= self.points <= 100:
            raise AlphabarError(f"An interpolation has 2 to 100 points, its ends included; got {self.points}.")

    @property
    def weights(self) -> list[float]:
        """λ of each point."""
        return [k / (self.points - 1) for k in range(self.points)]


def interpolation(pipeline: Pipeline, first: Picture, second: Picture, how: Interpolation) -> Edit:
    """The edit; its picture has the first image, the mixtures and the second image in each row."""
    for t in how.times:
        pipeline.rows_up_to(t)
    options = {"interpolated": [first.name, second.name], "t": list(how.times), "points": how.points, "mix": how.mix}
    options |= {"latents": how.latents, "seed": how.seed}
    name = f"interpolate-{file_name_part(first.name)}-{file_name_part(second.name)}"
    return Edit(pipeline, name, options, lambda: _make(pipeline, first, second, how))


def _make(pipeline: Pipeline, first: Picture, second: Picture, how: Interpolation) -> tuple[Tensor, Tensor, int]:
    ends = signed(pipeline, first, second)
    mixtures = _encoded if how.latents == "encoded" else _noised
    chains = [pipeline.up_to(t) for t in how.times]
    with progress("interpolating", sum(chain.steps_per_image for chain in chains)) as advance:
        rows = [images.to_uint8(mixtures(chain, ends, how, advance)).cpu() for chain in chains]
    tiles = [torch.cat([first.pixels[None], row, second.pixels[None]]) for row in rows]
    return torch.cat(rows), torch.cat(tiles), how.points + 2


def _noised(pipeline: Pipeline, ends: Tensor, how: Interpolation, advance: Callable[[float], None]) -> Tensor:
    denoiser, noise = denoiser_of(pipeline, how.points), SeededNoise([how.seed])
    steps = interpolate(
        pipeline.sampler, denoiser, ends[:1], ends[1:],
        start=denoiser.schedule.T, weights=how.weights, mix=MIXES[how.mix], noise=noise,
    )  # fmt: skip
    return end(steps, advance)


def _encoded(pipeline: Pipeline, ends: Tensor, how: Interpolation, advance: Callable[[float], None]) -> Tensor:
    denoiser, t = replace(denoiser_of(pipeline, how.points), x0_transform=None), pipeline.last_timestep
    latents, _ = encode_on(pipeline, ends)
    steps = interpolate_latents(
        DDIM(0.0), denoiser, latents[:1], latents[1:],
        start=denoiser.schedule.T, weights=how.weights, mix=MIXES[how.mix], noise=SeededNoise([how.seed]),
    )  # fmt: skip
    mixtures = end(steps, advance)
    check_round_trip(float(relative_errors(mixtures[[0, -1]], ends).max()), t)
    return mixtures
