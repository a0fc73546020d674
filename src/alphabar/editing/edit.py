"""An edit that is planned and checked, but not made yet; and the chains that edits are made of."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from alphabar import images
from alphabar.diffusion import Denoiser, Step
from alphabar.errors import AlphabarError
from alphabar.sampling.job import Job
from alphabar.sampling.pipeline import Pipeline
from alphabar.sampling.samples import Images

MOST_TILES = 400
"""The most seeds that one picture shows."""


@dataclass(frozen=True)
class Edit:
    """What is edited and how; `images()` makes it. The settings and the name are known before."""

    pipeline: Pipeline
    name: str
    """Part of a file name, as "vary-photo"."""
    options: Mapping[str, Any]
    """The settings of the edit itself, beside those of the pipeline."""
    make: Callable[[], tuple[Tensor, Tensor, int]]
    """() -> the results (N, C, H, W), the tiles of the picture (M, C, H, W), both uint8, and the tiles in a row."""

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that decides what the edit looks like."""
        return self.pipeline.settings() | dict(self.options)

    def images(self) -> Images:
        """The results; their picture shows the originals beside them."""
        results, tiles, columns = self.make()
        return Images(results, self.settings, tiles=tiles, columns=columns)


def denoiser_of(pipeline: Pipeline, count: int) -> Denoiser:
    """The denoiser for `count` images of the pipeline's class."""
    labels = (pipeline.label,) * count if isinstance(pipeline.label, int) else None
    return pipeline.conditioned(Job((0,) * count, labels, pipeline.model.facts.shape))


def batches(pipeline: Pipeline, seeds: Sequence[int]) -> list[Sequence[int]]:
    """The seeds in batches of the pipeline's size; AlphabarError for more than one picture can show."""
    if len(seeds) > MOST_TILES:
        raise AlphabarError(f"One picture shows at most {MOST_TILES} seeds; got {len(seeds):,}.")
    size = pipeline.section.batch_size
    return [seeds[k : k + size] for k in range(0, len(seeds), size)]


def end(steps: Iterator[Step], advance: Callable[[float], None]) -> Tensor:
    """x at the end of a chain of at least one step."""
    x = None
    for step in steps:
        x = step.x
        advance(1)
    assert x is not None
    return x


def end_image(steps: Iterator[Step], advance: Callable[[float], None]) -> Tensor:
    """The images at the end of a chain, uint8 on the CPU."""
    return images.to_uint8(end(steps, advance)).cpu()


def file_name_part(name: str) -> str:
    """A picture's name, fit to be part of a file name: of at most 60 bytes, as the whole has at most 255."""
    return os.fsencode(name.replace(":", "-").replace("/", "-"))[:60].decode(errors="ignore")
