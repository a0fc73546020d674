"""A glance at a source: at most 2,000 of its pictures as thumbnails, from which its settings can be judged."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from alphabar.data.archive import named_after, unpacked
from alphabar.data.decode import MODES, Decoded, Header, decode, read_header
from alphabar.data.folder import recognised
from alphabar.data.image_set import ImageSet
from alphabar.data.layout import Layout
from alphabar.data.options import DataOptions
from alphabar.data.sources import DATASETS
from alphabar.data.survey import surveyed
from alphabar.images import Colour, Size, to_pil

SIDE = 32
"""The height and width of a thumbnail, whatever the shape of the picture."""
_MOST = 2000  # pictures

T = TypeVar("T")
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Thumbnail:
    """A picture, shrunk or enlarged to uint8 (SIDE, SIDE, 4), RGBA. `size` is the (H, W) that it had."""

    pixels: Pixels
    size: Size
    transparent: bool

    @classmethod
    def of(cls, decoded: Decoded) -> "Thumbnail":
        """The thumbnail of an image that was decoded with 4 channels."""
        return cls.of_image(decoded.image, decoded.transparent)

    @classmethod
    def of_image(cls, image: Image.Image, transparent: bool) -> "Thumbnail":
        """The thumbnail of a Pillow image in mode L, RGB or RGBA."""
        small = image.convert("RGBA").resize((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=4)
        return cls(np.asarray(small), (image.height, image.width), transparent)


@dataclass(frozen=True)
class Glance:
    """A sample of the usable pictures of a source, and how many it holds in all."""

    thumbnails: Pixels
    """uint8 (n, SIDE, SIDE, 4), RGBA."""
    sizes: tuple[Size, ...]
    """(H, W) of each picture of the sample, as stored."""
    transparent: npt.NDArray[np.bool_]
    """(n,): whether any pixel is."""
    classes: npt.NDArray[np.int64] | None
    """(n,): the class of each picture of the sample; None if there are none."""
    class_sizes: tuple[int, ...]
    """The number of pictures of each class in the whole source."""
    count: int
    """The pictures of the whole source, without those of the sample that cannot be used."""

    def on(self, background: Colour) -> Pixels:
        """The thumbnails uint8 (n, SIDE, SIDE, 3), composited on a background."""
        return composited(self.thumbnails, background)


def composited(thumbnails: Pixels, background: Colour) -> Pixels:
    """RGBA uint8 (..., 4) on a background, uint8 (..., 3)."""
    alpha = thumbnails[..., 3:].astype(np.float32) / 255
    colours = thumbnails[..., :3] * alpha + np.array(background, np.float32) * (1 - alpha)
    return np.rint(colours).astype(np.uint8)


def glance(options: DataOptions, kind: str) -> Glance:
    """A sample of the pictures that `options` name; the same for the same source. AlphabarError if none is usable.

    kind: a key of DATASETS.
    """
    if kind == "archive" and options.path is not None:
        place = unpacked(options.path)
        with named_after(options.path, place):
            return _of_files(replace(options, path=place))
    if kind == "folder":
        return _of_files(options)
    return of_images(DATASETS[kind](as_stored(options)))


def as_stored(options: DataOptions) -> DataOptions:
    """The options that leave the images of an array as they are."""
    return replace(options, image_size=None, resize="none", channels=None)


def sampled(items: Sequence[T], most: int | None = None) -> list[T]:
    """At most so many of the items at random, 2,000 if it is not said, in their order; always the same ones."""
    most = _MOST if most is None else most
    if len(items) <= most:
        return list(items)
    places = np.random.default_rng(0).choice(len(items), most, replace=False)
    return [items[place] for place in np.sort(places)]


def of_thumbnails(plan: Layout, seen: Mapping[Path, Thumbnail], unusable: int) -> Glance:
    """A glance at a folder. seen: the usable pictures of the sample; unusable: the number of the others known."""
    paths = sorted(seen)
    place = {name: k for k, name in enumerate(plan.classes)}
    sizes = Counter(plan.class_of(path) for path in plan.listing.images) if place else {}
    return Glance(
        thumbnails=np.stack([seen[path].pixels for path in paths]),
        sizes=tuple(seen[path].size for path in paths),
        transparent=np.array([seen[path].transparent for path in paths]),
        classes=np.array([place[plan.class_of(path)] for path in paths]) if place else None,
        class_sizes=tuple(sizes.values()),
        count=len(plan.listing.images) - unusable,
    )


def of_images(images: ImageSet) -> Glance:
    """A glance at an array of images."""
    rows = sampled(range(len(images)))
    thumbnails = [of_row(images, row) for row in rows]
    labels = images.labels
    return Glance(
        thumbnails=np.stack([each.pixels for each in thumbnails]),
        sizes=tuple(each.size for each in thumbnails),
        transparent=np.array([each.transparent for each in thumbnails]),
        classes=None if labels is None else labels[rows].numpy(),
        class_sizes=() if labels is None else tuple(labels.bincount(minlength=len(images.class_names)).tolist()),
        count=len(images),
    )


def of_row(images: ImageSet, row: int) -> Thumbnail:
    """The thumbnail of one image of an array; of channels that are no colours, the first."""
    image = images.images[row]
    picture = to_pil(image if len(image) in MODES else image[:1])
    return Thumbnail.of_image(picture, len(image) == 4 and int(image[3].min()) < 255)


def _of_files(options: DataOptions) -> Glance:
    root, plan = recognised(options)
    seen: dict[Path, Thumbnail] = {}

    def look(path: Path) -> Header:
        header = read_header(path, options.limit_pixels)
        thumbnail = Thumbnail.of(decode(path, 4, options, least=2 * SIDE))
        seen[path.relative_to(root)] = replace(thumbnail, size=header.size)
        return header

    listing = replace(plan.listing, images=tuple(sampled(plan.listing.images)))
    return of_thumbnails(plan, seen, len(surveyed(root, listing, look).skipped) - len(listing.closed))
