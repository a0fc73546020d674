"""A folder of images: listed, surveyed by their headers, then decoded into one array, in a few threads."""

import logging
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from alphabar.data.decode import MODES, SUFFIXES, Header, decode, read_header
from alphabar.data.files import UnreadableError, exists, only_train, shown
from alphabar.data.fit import Pixels
from alphabar.data.image_set import ImageSet
from alphabar.data.listing import Listing, class_folders, list_images
from alphabar.data.memory import check_memory
from alphabar.data.options import DataOptions, sized
from alphabar.data.progress import progress
from alphabar.errors import AlphabarError
from alphabar.images import RESIZE_RULES, Size

BAD_SHARE = (
    0.05  # more unusable images than this stop the run: then something is wrong with the folder, not with a file
)

_LOG = logging.getLogger(__name__)
_SPLIT_FOLDERS = {"train", "test", "val", "valid", "validation"}
_THREADS = 4  # Pillow decodes without the interpreter's lock
_BLOCK = 1024  # files handed to the threads at a time

T = TypeVar("T")


@dataclass(frozen=True)
class Skipped:
    """A file that cannot be used (relative to the folder), and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Survey:
    """The headers of the usable images, in the order of the listing, and the files that are not."""

    root: Path
    headers: dict[Path, Header]
    skipped: tuple[Skipped, ...]


def folder(options: DataOptions) -> ImageSet:
    """Your own folder of image files, at any depth, labelled if they lie in class sub-folders (see `class_folders`).

    A folder of nothing but train/, test/ (and val/) stands for its splits. Unusable files are skipped, and the log
    says which and why; AlphabarError where none or too few are left, sizes differ without a rule, or memory is short.
    """
    root = split_root(options)
    listing = listed(root)
    survey = surveyed(root, listing, lambda path: read_header(path, options.limit_pixels))
    size, channels = planned(survey, options)
    images, kept, skipped = _decoded(survey, size, channels, options)
    survey = Survey(root, {path: survey.headers[path] for path in kept}, (*survey.skipped, *skipped))
    check_share(survey)
    _log(survey)
    names = class_folders(listing.images)
    index = {name: k for k, name in enumerate(names)}
    labels = torch.tensor([index[path.parts[0]] for path in kept]) if names else None
    printable = tuple(shown(Path(name)) for name in names)
    return ImageSet(shown(Path(root.resolve().name)), torch.from_numpy(images), labels, printable, shown(root))


def split_root(options: DataOptions) -> Path:
    """The folder that holds the images of the split asked for; raises AlphabarError if there is none."""
    root = options.path
    if root is None:
        raise AlphabarError("data.name=folder needs a folder of images: set data.path.")
    if not exists(root):
        raise AlphabarError(f"There is no folder {shown(root)}.")
    if not root.is_dir():
        raise AlphabarError(f"{shown(root)} is a file; data.path must be a folder of images.")
    try:
        entries = {path.name for path in root.iterdir() if not path.name.startswith(".")}
    except OSError as error:
        raise AlphabarError(f"The folder {shown(root)} cannot be read: {error.strerror}.") from error
    if len(entries) > 1 and "train" in entries and entries <= _SPLIT_FOLDERS:
        if options.split not in entries:
            raise AlphabarError(
                f"{shown(root)} has no sub-folder '{options.split}', only {', '.join(sorted(entries))}."
            )
        return root / options.split
    only_train(f"The folder {shown(root)}", options)
    return root


def listed(root: Path) -> Listing:
    """The listing of a folder with at least one image; AlphabarError tells an empty folder from one of other things."""
    listing = list_images(root)
    if listing.images:
        return listing
    if listing.closed:
        closed = ", ".join(shown(root / path) for path in listing.closed[:3])
        raise AlphabarError(f"{shown(root)} has no image in the folders that may be read; {closed} may not.")
    if listing.others:
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in listing.others.most_common(5))
        known = " ".join(sorted(suffix[1:] for suffix in SUFFIXES))
        raise AlphabarError(f"{shown(root)} has files but no images ({kinds}); alphabar reads {known}.")
    raise AlphabarError(f"The folder {shown(root)} is empty: there is nothing to train on.")


def surveyed(root: Path, listing: Listing, look: Callable[[Path], Header]) -> Survey:
    """`look` at each image; what it refuses is skipped. Raises AlphabarError if nothing is left."""
    headers = {}
    skipped = [Skipped(path, "the folder may not be entered") for path in listing.closed]
    for path, seen in _mapped(lambda path: look(root / path), listing.images, "Reading headers"):
        if isinstance(seen, Header):
            headers[path] = seen
        else:
            skipped.append(Skipped(path, seen.reason))
    if not headers:
        first = f"{shown(skipped[0].path)}: {skipped[0].reason}"
        raise AlphabarError(f"None of the {len(listing.images):,} images in {shown(root)} can be used ({first}).")
    return Survey(root, headers, tuple(skipped))


def planned(survey: Survey, options: DataOptions) -> tuple[Size, int]:
    """The (H, W) and the channels that the images will have; raises AlphabarError if they cannot have the same."""
    check_share(survey)
    channels = options.channels or (1 if all(header.grey for header in survey.headers.values()) else 3)
    if channels not in MODES:
        raise AlphabarError(f"Image files have 1, 3 or 4 channels; got data.channels={channels}.")
    sizes = Counter(header.size for header in survey.headers.values())
    size = options.image_size or sizes.most_common(1)[0][0]
    if options.resize == "none" and set(sizes) != {size}:
        listed = ", ".join(f"{count:,} of {sized(found)}" for found, count in sizes.most_common(3))
        more = ", ..." if len(sizes) > 3 else ""
        have = f"{len(sizes)} different sizes" if len(sizes) > 1 else f"another size than {sized(size)}"
        side = "" if options.image_size else "data.image_size=32 (say) and "
        raise AlphabarError(
            f"The images in {shown(survey.root)} have {have} ({listed}{more}): set {side}data.resize=crop or pad."
        )
    check_memory(shown(survey.root), len(survey.headers), size, channels)
    return size, channels


def check_share(survey: Survey) -> None:
    """Raises AlphabarError if more than BAD_SHARE of the images are unusable."""
    bad, found = len(survey.skipped), len(survey.skipped) + len(survey.headers)
    if bad > BAD_SHARE * found:
        raise AlphabarError(
            f"{bad:,} of {found:,} images in {shown(survey.root)} cannot be used, more than {BAD_SHARE:.0%}: "
            f"{_some(survey.skipped)}. Remove or repair them; `alphabar data inspect` lists them."
        )


def _decoded(
    survey: Survey, size: Size, channels: int, options: DataOptions
) -> tuple[Pixels, list[Path], list[Skipped]]:
    """uint8 (n, C, H, W) of the images that could be decoded, their paths, and the others."""

    def pixels(path: Path) -> Pixels:
        image = decode(survey.root / path, channels, options.background, options.limit_pixels)
        if (image.height, image.width) != size and options.resize != "none":
            image = RESIZE_RULES[options.resize](image, size, options.background)
        if (image.height, image.width) != size:
            raise UnreadableError(path, "it changed its size while it was read")
        return np.asarray(image).reshape(*size, channels).transpose(2, 0, 1)

    images = np.empty((len(survey.headers), channels, *size), np.uint8)
    kept: list[Path] = []
    skipped: list[Skipped] = []
    for path, result in _mapped(pixels, list(survey.headers), "Decoding images"):
        if isinstance(result, UnreadableError):
            skipped.append(Skipped(path, result.reason))
        else:
            images[len(kept)] = result
            kept.append(path)
    return images[: len(kept)], kept, skipped


def _mapped(work: Callable[[Path], T], paths: Sequence[Path], label: str) -> Iterator[tuple[Path, T | UnreadableError]]:
    """(path, work(path) or the reason against it), in order, computed by a few threads."""

    def attempt(path: Path) -> T | UnreadableError:
        try:
            return work(path)
        except UnreadableError as error:
            return error

    threads = min(_THREADS, os.cpu_count() or 1)
    with warnings.catch_warnings(), ThreadPoolExecutor(threads) as pool, progress(label, len(paths)) as advance:
        warnings.simplefilter("ignore")  # Pillow's remarks name no file; what matters is in our reasons and notes
        for start in range(0, len(paths), _BLOCK):
            block = paths[start : start + _BLOCK]
            for path, result in zip(block, pool.map(attempt, block), strict=True):
                yield path, result
                advance(1)


def _log(survey: Survey) -> None:
    if survey.skipped:
        _LOG.warning("%s: %d images skipped: %s.", shown(survey.root), len(survey.skipped), _some(survey.skipped))
    for note, count in Counter(note for header in survey.headers.values() for note in header.notes).items():
        _LOG.warning("%s: %d images: %s.", shown(survey.root), count, note)


def _some(skipped: Sequence[Skipped], most: int = 10) -> str:
    named = "; ".join(f"{shown(item.path)} ({item.reason})" for item in skipped[:most])
    return f"{named}; ..." if len(skipped) > most else named
