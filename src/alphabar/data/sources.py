"""DATASETS: the sources by name, and which of them a path of the user's wants."""

from collections.abc import Callable
from pathlib import Path

from alphabar.data.cifar10 import cifar10, holds_cifar10
from alphabar.data.digits import digits
from alphabar.data.files import exists, shown
from alphabar.data.folder import folder
from alphabar.data.idx import idx, idx_files
from alphabar.data.image_set import ImageSet
from alphabar.data.mnist import fashion_mnist, mnist
from alphabar.data.npz import npz
from alphabar.data.options import DataOptions
from alphabar.data.twemoji import holds_twemoji, twemoji
from alphabar.errors import AlphabarError
from alphabar.registry import look_up

Source = Callable[[DataOptions], ImageSet]

DATASETS: dict[str, Source] = {
    "digits": digits,
    "mnist": mnist,
    "fashion_mnist": fashion_mnist,
    "cifar10": cifar10,
    "twemoji": twemoji,
    "folder": folder,
    "idx": idx,
    "npz": npz,
}

OWN_DATA = ("folder", "idx", "npz")
"""The sources of DATASETS that read the user's own files: they need a path."""


def load(name: str, options: DataOptions = DataOptions()) -> ImageSet:  # noqa: B008 - frozen
    """The data set called `name`; raises AlphabarError if there is none or if it cannot be had as `options` ask."""
    return look_up(DATASETS, name, "data set")(options)


def detect(path: Path) -> str:
    """The key of DATASETS for a path: folder if no other fits; raises AlphabarError for what none can read."""
    if not exists(path):
        raise AlphabarError(f"There is nothing at {shown(path)}.")
    if path.is_file() and path.suffix.lower() == ".npz":
        return "npz"
    if holds_twemoji(path) is not None:  # before CIFAR-10, which any other .tgz is taken for
        return "twemoji"
    if holds_cifar10(path) is not None:
        return "cifar10"
    if path.is_dir():
        return "idx" if idx_files(path) else "folder"
    raise AlphabarError(
        f"{shown(path)} is not a data set: right would be a folder of images, of IDX files or of CIFAR-10 batches, "
        "cifar-10-python.tar.gz, emoji-datasource-twitter-16.0.0.tgz, or a .npz file."
    )
