"""What several figures need of runs: names for a legend, and the denoiser of given images."""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from alphabar import build
from alphabar.data import ImageSet
from alphabar.diffusion import Denoiser
from alphabar.runs.model import LoadedModel
from alphabar.runs.run import home


def names(runs: Sequence[Path]) -> list[str]:
    """A name for each run in a legend: its folder's, or the whole path where two folders have the same name."""
    short = [(home(run) if run.suffix != ".npz" else run.absolute().parent.parent.parent).name for run in runs]
    return [str(run) if short.count(name) > 1 else name for run, name in zip(runs, short, strict=True)]


def conditioned(model: LoadedModel, images: ImageSet, rows: Tensor, x0: Tensor) -> Denoiser:
    """The denoiser of these rows of the images, as x0 (B, C, H, W), told of what the network is conditioned on."""
    section = model.config.network
    labels = images.labels[rows] if section.class_conditional and images.labels is not None else None
    return build.told(model.denoiser, x0, labels, section.low_resolution)
