"""Twemoji: Twitter's emoji pictures, by Twitter, Inc and other contributors, CC BY 4.0.

They are read from the npm package `emoji-datasource-twitter` (Cal Henderson, MIT), whose sha256 is verified.
"""

import hashlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from alphabar.data.download import obtain
from alphabar.data.emoji_package import package_folder, read_package
from alphabar.data.files import (
    PUBLISHED_SPLITS,
    NoSplitError,
    UnreadableError,
    check_split,
    exists,
    open_regular,
    places,
    shown,
)
from alphabar.data.fit import fitted, with_channels
from alphabar.data.image_set import ImageSet
from alphabar.data.options import DataOptions
from alphabar.files import cache_folder
from alphabar.images import WHITE

PACKAGE = "emoji-datasource-twitter"
ARCHIVE = f"{PACKAGE}-16.0.0.tgz"
URL = f"https://registry.npmjs.org/{PACKAGE}/-/{ARCHIVE}"

_ARCHIVE_SHA256 = "f64a530c63bca463bd8317fdc4615ce63a53a0c65018e4ce2d848aaba7a28877"
_SWATCHES = "Component"  # five plain skin tones, which are not pictures and too few for a class


def twemoji(options: DataOptions) -> ImageSet:
    """1,868 emoji on white, 64x64, RGB, in nine categories (Twitter, Inc and other contributors, CC BY 4.0).

    Every tenth emoji, in Unicode's order, is in the test split. Skin tone variants are left out. So is the later of two
    pictures that are equal or mirror images of each other, because the pair could be in both splits: eight families
    have one picture, for example, and so have the flags of Norway and Svalbard. Transparent pixels are always white;
    `background` is the colour of padding.
    """
    check_split("twemoji", options, PUBLISHED_SPLITS)
    source = options.path if options.path is not None else _published(options)
    emoji, pictures = read_package(source)
    names = tuple(name for name in dict.fromkeys(one.category for one in emoji) if name != _SWATCHES)
    distinct = {_either_way(pictures[k]): k for k in reversed(range(len(emoji))) if emoji[k].category in names}
    rows = [k for place, k in enumerate(sorted(distinct.values()), 1) if (place % 10 == 0) == (options.split == "test")]
    if not rows:
        raise NoSplitError(f"{shown(source)} has {len(distinct)} emoji: too few for data.split={options.split}.")
    images = with_channels(pictures[rows], 3, WHITE, shown(source))  # the background that emoji are designed for
    return ImageSet(
        name="twemoji",
        **fitted(images, options, shown(source)),
        labels=torch.tensor([names.index(emoji[k].category) for k in rows]),
        class_names=names,
        source=shown(source),
    )


def _either_way(picture: NDArray[np.uint8]) -> bytes:
    """A key that is equal for a picture (H, W, C) and for its mirror image."""
    return min(picture.tobytes(), picture[:, ::-1].tobytes())


def holds_twemoji(path: Path) -> Path | None:
    """The package archive (recognized by its name) or the unpacked package at `path`; None if there is none."""
    return path if path.name.startswith(PACKAGE) and path.suffix == ".tgz" else package_folder(path)


def _published(options: DataOptions) -> Path:
    folders = places("twemoji", options)
    archive = next((folder / ARCHIVE for folder in folders if exists(folder / ARCHIVE)), None)
    if archive is not None:
        _verify(archive)
        return archive
    target = cache_folder("twemoji") / ARCHIVE
    obtain([URL], target, _verify, options, folders, f"Put {URL} into one of these folders.")
    return target


def _verify(path: Path) -> None:
    digest = hashlib.sha256()
    with open_regular(path) as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    sha256 = digest.hexdigest()
    if sha256 != _ARCHIVE_SHA256:
        raise UnreadableError(
            path, f"its sha256 is {sha256[:12]}..., but the published file's {_ARCHIVE_SHA256[:12]}..."
        )
