"""What several figures need of runs: names for a legend, and the denoiser of given images."""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from alphabar.data import ImageSet
from alphabar.diffusion import Denoiser
from alphabar.runs.model import LoadedModel
from alphabar.runs.run import home


def names(runs: Sequence[Path]) -> list[str]:
    """A name for each run in a legend: its folder's, or the whole path where two folders have the same name."""
    short = [(home(run) if run.suffix != ".npz" else run.absolute().parent.parent.parent).name for run in runs]
    return [str(run) if short.count(name) > 1 else name for run, name in zip(runs, short, strict=True)]


def conditioned(model: LoadedModel, images: ImageSet, rows: Tensor) -> Denoiser:
    """The denoiser of these rows of the images, conditioned on their classes if the network has classes."""
    if not model.config.network.class_conditional or images.labels is None:
        return model.denoiser
    return model.denoiser.given(images.labels[rows].to(model.device))
