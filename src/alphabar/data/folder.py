"""A folder of image files. They are listed, checked by their headers, then decoded into one array."""

import logging
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from alphabar.data.contents import Contents, Levels, counted
from alphabar.data.decode import MODES, SUFFIXES, Header, read_header
from alphabar.data.decoding import Traits, decoded_images
from alphabar.data.files import exists, shown
from alphabar.data.fit import stored_values
from alphabar.data.image_set import ImageSet
from alphabar.data.layout import Layout, layout
from alphabar.data.listing import Listing, list_files
from alphabar.data.memory import check_memory
from alphabar.data.options import DataOptions, sized
from alphabar.data.places import Places
from alphabar.data.survey import Survey, check_share, some, surveyed
from alphabar.errors import AlphabarError
from alphabar.images import Size

_EXACT = {"L": 1, "RGB": 3, "RGBA": 4}
"""Channels of the modes whose levels are kept when they are decoded to as many channels."""

_LOG = logging.getLogger(__name__)


def folder(options: DataOptions) -> ImageSet:
    """Your own folder of image files; two or more sub-folders that directly hold all images become classes.

    Sub-folders train and test (or val) are read as these splits; see `layout`. Unusable files are skipped, and the log
    says which and why. Raises AlphabarError if there are no or too few usable images, if sizes differ and no resize
    rule is set, or if the images do not fit into memory.
    """
    root, plan = recognised(options)
    survey = headers(root, plan, options)
    size, channels = planned(survey, options)
    check_memory(shown(survey.root), len(survey.headers), size, channels)
    decoded = decoded_images(survey, size, channels, options)
    survey = Survey(root, {path: survey.headers[path] for path in decoded.paths}, (*survey.skipped, *decoded.skipped))
    check_share(survey)
    log(survey)
    index = {name: k for k, name in enumerate(plan.classes)}
    return ImageSet(
        name=shown(Path(root.resolve().name)),
        images=torch.from_numpy(decoded.images),
        labels=torch.tensor([index[plan.class_of(path)] for path in decoded.paths]) if index else None,
        class_names=plan.class_names,
        source=shown(root),
        contents=contents(plan, survey, decoded.traits, options),
        stored=stored_values(_stored_shapes(survey), (channels, *size), options.resize),
        places=_places(decoded.traits) if options.holdout else None,
    )


def recognised(options: DataOptions, listing: Listing | None = None) -> tuple[Path, Layout]:
    """The folder of the requested split, and its layout; raises AlphabarError if there is none, or without images.

    listing: the files of the folder, if they were listed before.
    """
    root = options.path
    if root is None:
        raise AlphabarError("No images were named: add --data PHOTOS, a folder or a file of images (data.name=folder).")
    if not exists(root):
        raise AlphabarError(f"There is no folder {shown(root)}.")
    if not root.is_dir():
        raise AlphabarError(f"{shown(root)} is a file; data.path must be a folder of images.")
    plan = layout(root, listing or list_files(root), options.split)
    _check_not_empty(root / plan.folder, plan.listing)
    return root / plan.folder, plan


def headers(root: Path, plan: Layout, options: DataOptions) -> Survey:
    """What the headers of the files say; AlphabarError if none can be used."""
    return surveyed(root, plan.listing, lambda path: read_header(path, options.limit_pixels))


def _stored_shapes(survey: Survey) -> list[tuple[int, int, int]]:
    """(C, H, W) of each usable image as stored; 0 channels where decoding changes its levels."""
    return [stored_shape(header) for header in survey.headers.values()]


def stored_shape(header: Header) -> tuple[int, int, int]:
    """(C, H, W) of an image as stored; 0 channels where decoding changes its levels."""
    return _EXACT.get(header.mode, 0), *header.size


def _places(traits: list[Traits]) -> Places:
    numbers = np.array([each.place for each in traits], np.float64)
    return Places(numbers, np.array([each.transparent for each in traits]))


def contents(plan: Layout, survey: Survey, traits: list[Traits], options: DataOptions) -> Contents:
    """What is said of a folder. traits: of its usable images."""
    skipped = (f"{counted(len(survey.skipped), 'image')} that cannot be used",) if survey.skipped else ()
    return Contents(
        split=options.split,
        splits=plan.splits,
        labels_file=plan.labels_file if plan.classes else "",
        levels=Levels.of(each.levels for each in traits),
        transparent=sum(each.transparent for each in traits),
        background=options.background,
        left_out=(*skipped, *plan.left_out),
    )


def _check_not_empty(root: Path, listing: Listing) -> None:
    if listing.images:
        return
    if listing.closed:
        closed = ", ".join(shown(root / path) for path in listing.closed[:3])
        raise AlphabarError(f"{shown(root)} has no readable image: permission denied for {closed}.")
    if listing.others:
        suffixes = Counter(shown(Path(path.suffix.lower())) if path.suffix else "no suffix" for path in listing.others)
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in suffixes.most_common(5))
        readable = " ".join(sorted(suffix[1:] for suffix in SUFFIXES))
        shards = any(path.suffix.lower() == ".tar" for path in listing.others)
        hint = " WebDataset shards are read by `alphabar data pack`." if shards else ""
        raise AlphabarError(f"{shown(root)} has files but no images ({kinds}); alphabar reads {readable}.{hint}")
    raise AlphabarError(f"The folder {shown(root)} is empty: it has no images.")


def planned(survey: Survey, options: DataOptions) -> tuple[Size, int]:
    """The common (H, W) and channel count of the decoded images; raises AlphabarError if there cannot be one."""
    check_share(survey)
    channels = options.channels or (1 if all(header.grey for header in survey.headers.values()) else 3)
    if channels not in MODES:
        raise AlphabarError(f"Image files have 1, 3 or 4 channels; got data.channels={channels}.")
    sizes = Counter(header.size for header in survey.headers.values())
    size = options.image_size or sizes.most_common(1)[0][0]
    if options.resize == "none" and set(sizes) != {size}:
        counts = ", ".join(f"{count:,} of {sized(each)}" for each, count in sizes.most_common(3))
        more = ", ..." if len(sizes) > 3 else ""
        have = f"{len(sizes)} different sizes" if len(sizes) > 1 else f"another size than {sized(size)}"
        side = "" if options.image_size else "data.image_size (for example 32) and "
        raise AlphabarError(
            f"The images in {shown(survey.root)} have {have} ({counts}{more}): set {side}data.resize=crop or pad."
        )
    return size, channels


def log(survey: Survey) -> None:
    """Says which files were skipped and why, and what is notable about the others."""
    if survey.skipped:
        skipped = counted(len(survey.skipped), "image")
        _LOG.warning("%s: %s skipped: %s.", shown(survey.root), skipped, some(survey.skipped))
    for note, count in Counter(note for header in survey.headers.values() for note in header.notes).items():
        _LOG.warning("%s: %d images: %s.", shown(survey.root), count, note)
