"""What several figures ask of runs: their names, their images, what they are told of them."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from alphabar import build, data
from alphabar.data import ImageSet
from alphabar.diffusion import Denoiser
from alphabar.errors import AlphabarError
from alphabar.runs.model import Model
from alphabar.runs.run import home


def names(runs: Sequence[Path]) -> list[str]:
    """A name for the legend each: the folder's, or the whole path where two folders are called alike."""
    short = [(home(run) if run.suffix != ".npz" else run.absolute().parent.parent.parent).name for run in runs]
    return [str(run) if short.count(name) > 1 else name for run, name in zip(runs, short, strict=True)]


def images_of(model: Model, split: str, data_root: Path | None) -> ImageSet:
    """The images that a run was trained on, or those of another split of the same data."""
    section = model.config.data.model_copy(update={"split": split, "root": data_root or model.config.data.root})
    found = data.load(section.name, build.data_options(section))
    if found.shape != model.facts.shape:
        raise AlphabarError(f"The images are {found.shape}, and the run was trained on {model.facts.shape}.")
    return found


def told(model: Model, images: ImageSet, rows: Tensor, device: torch.device) -> Denoiser:
    """The denoiser, knowing the classes of these rows if it is one that is told classes."""
    if not model.config.network.class_conditional or images.labels is None:
        return model.denoiser
    return model.denoiser.given(images.labels[rows].to(device))
