"""DATASETS, the data sources by name, and `detect`, which chooses the source for a path."""

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from alphabar.data.archive import archive
from alphabar.data.cifar10 import cifar10, holds_cifar10
from alphabar.data.decode import SUFFIXES
from alphabar.data.digits import digits
from alphabar.data.files import exists, shown
from alphabar.data.folder import folder
from alphabar.data.holdout import divided
from alphabar.data.idx import idx, idx_files
from alphabar.data.image_set import ImageSet
from alphabar.data.listing import list_files
from alphabar.data.members import SUFFIXES as ARCHIVE_SUFFIXES
from alphabar.data.memory import DoesNotFitError
from alphabar.data.mnist import fashion_mnist, mnist
from alphabar.data.npz import SUFFIXES as NUMPY_SUFFIXES
from alphabar.data.npz import npz
from alphabar.data.options import DataOptions
from alphabar.data.packs import automatic
from alphabar.data.packs.record import is_pack
from alphabar.data.packs.source import is_divided, packed
from alphabar.data.parquet import tables
from alphabar.data.twemoji import holds_twemoji, twemoji
from alphabar.data.windows import are_random, windowed
from alphabar.errors import AlphabarError
from alphabar.registry import look_up

_LOG = logging.getLogger(__name__)

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
    "archive": archive,
    "packed": packed,
}

OWN_DATA = ("folder", "idx", "npz", "archive", "packed")
"""The sources of DATASETS that read the user's own files: they need a path."""


def load(name: str, options: DataOptions = DataOptions()) -> ImageSet:  # noqa: B008 - frozen
    """Loads the data set called `name`; raises AlphabarError if the name is unknown or `options` cannot be applied.

    A folder or archive of images that does not fit into memory is packed into the cache, once, and read from there.
    """
    source = look_up(DATASETS, name, "data set")
    if (place := automatic.kept(name, options)) is not None:
        return _from_cache(place, name, options)
    try:
        return _loaded(source, options)
    except DoesNotFitError:
        if name not in automatic.KINDS:
            raise
        return _from_cache(automatic.keep(name, options, _LOG.warning), name, options)


def _loaded(source: Source, options: DataOptions) -> ImageSet:
    if options.holdout and not (source is packed and is_divided(options.path)):
        source = partial(divided, source)
    return windowed(source, options) if are_random(options) else source(options)


def _from_cache(place: Path, name: str, options: DataOptions) -> ImageSet:
    """The images of a pack, under the name of what was packed."""
    assert options.path is not None
    return replace(_loaded(packed, replace(options, path=place)), source=shown(options.path))


def detect(path: Path) -> str:
    """The key of DATASETS that reads `path`, "folder" if no other does; raises AlphabarError if none can read it."""
    if not exists(path):
        raise AlphabarError(f"There is no file or folder {shown(path)}.")
    if is_pack(path):
        return "packed"
    if path.is_file() and path.suffix.lower() in NUMPY_SUFFIXES:
        return "npz"
    if holds_twemoji(path) is not None:
        return "twemoji"
    if holds_cifar10(path) is not None:
        return "cifar10"
    if path.is_file() and path.name.lower().endswith(ARCHIVE_SUFFIXES):
        return "archive"
    if path.is_dir() and (files := idx_files(path)):
        if any(entry.suffix.lower() in SUFFIXES for entry in path.iterdir()):
            names = ", ".join(shown(Path(images.name)) for images, _ in files.values())
            raise AlphabarError(
                f"{shown(path)} holds image files, and IDX files beside them ({names}); move one of the two elsewhere."
            )
        return "idx"
    if path.is_dir():
        return "archive" if tables(path) and not list_files(path).images else "folder"
    raise AlphabarError(
        f"{shown(path)} is not a data set. Expected a folder of images, of IDX files or of CIFAR-10 batches, a "
        f"pack, or a file that ends in {', '.join((*NUMPY_SUFFIXES, *ARCHIVE_SUFFIXES))}."
    )
