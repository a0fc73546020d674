"""`alphabar.upscale`: small images enlarged by an upsampler, the second stage of a cascade."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Unpack

import torch
import torch.nn.functional as F
from torch import Tensor

from alphabar import distributed, images
from alphabar.api.model import Model, loaded
from alphabar.api.options import Options, Seeds, StrPath, changes, path, seed_list
from alphabar.api.sample import into_folder
from alphabar.editing.pictures import label_of
from alphabar.editing.small_images import SmallImage, Source, small_images
from alphabar.errors import AlphabarError, sentences
from alphabar.files import outputs
from alphabar.runs.model import Label, LoadedModel
from alphabar.sampling.pipeline import Pipeline
from alphabar.sampling.samples import Images
from alphabar.sampling.to_folder import Plan

PAIRS, MOST_PAIRS = "pairs.png", 32
"""The picture that shows the first small images beside the large ones."""


@sentences()
def upscale(
    model: Model | str | Path,
    small: Source | Iterable[Source],
    *,
    label: str | int | None = None,
    seeds: Seeds = None,
    resize: str = "none",
    film: str | None = None,
    out: StrPath | None = None,
    **options: Unpack[Options],
) -> Images:
    """Enlarge small images with an upsampler, a network that was trained with network.low_resolution.

    small: image files, folders of images or of samples, Pillow images, or what `sample` returned.
    label: the class of all; if None, that of each image, where its file says it.
    seeds: one for each image; if None, those that the images were sampled with, or 0, 1, 2, ... Several seeds for a
    single image give several versions of it.
    resize: how images of another size reach the one that the upsampler takes; a key of RESIZE_RULES, or "none".
    film, out, options: those of `sample`. The folder also gets pairs.png, the small images beside the large ones.
    """
    source = loaded(model)
    sources = [small] if isinstance(small, str | Path | Images) or not isinstance(small, Iterable) else list(small)
    found = small_images(source, sources, resize)
    numbers = _seeds(found, seeds)
    found = found * len(numbers) if len(found) == 1 else found
    low_res = torch.stack([image.pixels for image in found])
    which, labels = _labels(source, label, found)
    pipeline = Pipeline.of(source, changes(options), which)
    job = pipeline.job(numbers, low_res)
    job = job if labels is None else replace(job, labels=labels)
    plan = Plan.of(pipeline, job, path(out))
    outputs.check(plan.folder / PAIRS, outputs.GRID)
    result = into_folder(plan, film)
    if distributed.is_main():
        images.save_png(plan.folder / PAIRS, _pairs(low_res, result.tensor), kind=outputs.GRID)
    return result


def _seeds(found: Sequence[SmallImage], seeds: Seeds) -> list[int]:
    """A seed for each image, or several for the only one."""
    if seeds is None:
        own = [image.seed for image in found if image.seed is not None]
        return own if len(set(own)) == len(found) else list(range(len(found)))
    numbers = seed_list(seeds)
    if len(found) not in (1, len(numbers)):
        raise AlphabarError(f"There are {len(found)} images and {len(numbers)} seeds; name one seed for each image.")
    if len(set(numbers)) < len(numbers):
        raise AlphabarError("A seed is named twice in the seeds; each names a file.")
    return numbers


def _labels(
    model: LoadedModel, label: str | int | None, found: Sequence[SmallImage]
) -> tuple[Label, tuple[int, ...] | None]:
    """The class of the pipeline, and that of each image where they are their own."""
    own = [image.label for image in found if image.label is not None]
    if label is None and model.class_names and len(own) == len(found):
        return "each", tuple(own)
    return label_of(model, label, []), None


def _pairs(small: Tensor, large: Tensor) -> Tensor:
    """The first images, each enlarged plainly and as it was sampled: uint8 (C, H', W')."""
    small, large = small[:MOST_PAIRS], large[:MOST_PAIRS]
    plain = F.interpolate(small, large.shape[2:], mode="nearest")
    both = torch.stack([plain, large], dim=1).flatten(0, 1)
    return images.sheet(both, columns=8)
