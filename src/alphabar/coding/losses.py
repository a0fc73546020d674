"""The error of a lossy file: which level it keeps, what is shown of it, and how far that is from the images."""

import math
from dataclasses import replace

from torch import Tensor

from alphabar.coding import codec
from alphabar.coding.header import Header, Lossy
from alphabar.coding.pictures import without_padding
from alphabar.coding.prefix import left, level_of
from alphabar.coding.restore import FILLS, restored
from alphabar.diffusion import NoiseSchedule
from alphabar.errors import AlphabarError
from alphabar.registry import look_up
from alphabar.sampling.pipeline import Pipeline


def kept(schedule: NoiseSchedule, noise: float) -> Lossy:
    """The level at which no more than this noise is left, in grey levels; AlphabarError if there is none."""
    level, least = level_of(schedule, noise), float(left(schedule)[1])
    if not level:
        raise AlphabarError(
            f"This chain's first step leaves noise of {least:.3g} grey levels, so --lossy must be at least that; got "
            f"{noise:g}. Without --lossy there is no loss."
        )
    return Lossy(level=level, noise=min(float(left(schedule)[level]), 1e9), rmse=0)


def checked(fill: str | None, header: Header, name: str) -> str:
    """The way to fill in; AlphabarError if it is none, or there is nothing to fill in."""
    if fill is not None and header.lossy is None:
        raise AlphabarError(f"{name} is not lossy, so there is nothing for --fill {fill} to fill in.")
    look_up(FILLS, fill or "mean", "fill")
    return fill or "mean"


def shown(pipeline: Pipeline, header: Header, batch: Tensor, numbers: range, fill: str = "mean") -> Tensor:
    """A batch of `codec.decode` as images, uint8 (N, C, H, W) of the model's shape."""
    if header.lossy is None:
        return batch
    denoiser = pipeline.conditioned(pipeline.job(numbers))
    return restored(denoiser, batch, header.lossy.level, numbers, pipeline.model.device, fill)


def verified(pipeline: Pipeline, pile: codec.Pile, coded: codec.Coded) -> codec.Coded:
    """What was coded, after it was decoded, with the error of the images in its header."""
    header, squares, count = coded.header, 0.0, 0
    for numbers, batch in codec.decode(pipeline, header, coded.words, bar="verifying"):
        if header.lossy is None:
            continue
        for k, image, original in zip(
            numbers, shown(pipeline, header, batch, numbers), pile.read(numbers), strict=True
        ):
            error = without_padding(image, pile.sizes[k]).double() - without_padding(original, pile.sizes[k]).double()
            squares, count = squares + float(error.square().sum()), count + error.numel()
    if header.lossy is None:
        return coded
    lossy = header.lossy.model_copy(update={"rmse": math.sqrt(squares / count)})
    return replace(coded, header=header.model_copy(update={"lossy": lossy}))
