"""A folder of image files. They are listed, checked by their headers, then decoded into one array by a few threads."""

import logging
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from alphabar.data.decode import MODES, SUFFIXES, decode, read_header
from alphabar.data.files import NoSplitError, UnreadableError, exists, only_train, shown
from alphabar.data.fit import Pixels
from alphabar.data.image_set import ImageSet
from alphabar.data.listing import Listing, class_folders, list_images
from alphabar.data.memory import check_memory
from alphabar.data.options import DataOptions, sized
from alphabar.data.survey import Skipped, Survey, check_share, mapped, some, surveyed
from alphabar.errors import AlphabarError
from alphabar.images import RESIZE_RULES, Size

_LOG = logging.getLogger(__name__)
_SPLIT_FOLDERS = {"train", "test", "val", "valid", "validation"}


def folder(options: DataOptions) -> ImageSet:
    """Your own folder of image files; two or more sub-folders that directly hold all images become classes.

    A folder that contains only train/, test/ (and val/) is read as these splits. Unusable files are skipped, and the
    log says which and why. Raises AlphabarError if there are no or too few usable images, if sizes differ and no
    resize rule is set, or if the images do not fit into memory.
    """
    root = split_root(options)
    listing = listed(root)
    survey = surveyed(root, listing, lambda path: read_header(path, options.limit_pixels))
    size, channels = planned(survey, options)
    images, paths, skipped = _decoded(survey, size, channels, options)
    survey = Survey(root, {path: survey.headers[path] for path in paths}, (*survey.skipped, *skipped))
    check_share(survey)
    _log(survey)
    names = class_folders(listing.images)
    index = {name: k for k, name in enumerate(names)}
    labels = torch.tensor([index[path.parts[0]] for path in paths]) if names else None
    printable = tuple(shown(Path(name)) for name in names)
    return ImageSet(shown(Path(root.resolve().name)), torch.from_numpy(images), labels, printable, shown(root))


def split_root(options: DataOptions) -> Path:
    """The folder that holds the images of the requested split; raises AlphabarError if there is none."""
    root = options.path
    if root is None:
        raise AlphabarError("data.name=folder needs a folder of images; name it with --data.")
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
            raise NoSplitError(f"{shown(root)} has no sub-folder '{options.split}', only {', '.join(sorted(entries))}.")
        return root / options.split
    only_train(f"The folder {shown(root)}", options)
    return root


def listed(root: Path) -> Listing:
    """The listing of a folder that has at least one image; raises AlphabarError if it is empty or has no images."""
    listing = list_images(root)
    if listing.images:
        return listing
    if listing.closed:
        closed = ", ".join(shown(root / path) for path in listing.closed[:3])
        raise AlphabarError(f"{shown(root)} has no readable image: permission denied for {closed}.")
    if listing.others:
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in listing.others.most_common(5))
        readable = " ".join(sorted(suffix[1:] for suffix in SUFFIXES))
        raise AlphabarError(f"{shown(root)} has files but no images ({kinds}); alphabar reads {readable}.")
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
    check_memory(shown(survey.root), len(survey.headers), size, channels)
    return size, channels


def _decoded(
    survey: Survey, size: Size, channels: int, options: DataOptions
) -> tuple[Pixels, list[Path], list[Skipped]]:
    """The decoded images uint8 (n, C, H, W), their paths, and the files that could not be decoded."""

    def pixels(path: Path) -> Pixels:
        image = decode(survey.root / path, channels, options.background, options.limit_pixels)
        if (image.height, image.width) != size and options.resize != "none":
            image = RESIZE_RULES[options.resize](image, size, options.background)
        if (image.height, image.width) != size:
            raise UnreadableError(path, "its size changed while it was being read")
        return np.asarray(image).reshape(*size, channels).transpose(2, 0, 1)

    images = np.empty((len(survey.headers), channels, *size), np.uint8)
    decoded: list[Path] = []
    skipped: list[Skipped] = []
    for path, result in mapped(pixels, list(survey.headers), "Decoding images"):
        if isinstance(result, UnreadableError):
            skipped.append(Skipped(path, result.reason))
        else:
            images[len(decoded)] = result
            decoded.append(path)
    return images[: len(decoded)], decoded, skipped


def _log(survey: Survey) -> None:
    if survey.skipped:
        _LOG.warning("%s: %d images skipped: %s.", shown(survey.root), len(survey.skipped), some(survey.skipped))
    for note, count in Counter(note for header in survey.headers.values() for note in header.notes).items():
        _LOG.warning("%s: %d images: %s.", shown(survey.root), count, note)
