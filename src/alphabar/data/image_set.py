"""ImageSet, a whole data set as uint8, in memory or in a mapped file on disk, and Batch, a few of its images."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from alphabar.data.contents import Contents, counted, some
from alphabar.data.places import Places
from alphabar.errors import AlphabarError


@dataclass(frozen=True)
class Batch:
    """A batch, or a share of one: images uint8 (B, C, H, W); labels int64 (B,) or None."""

    images: Tensor
    labels: Tensor | None
    whole: int | None = None
    """The number of images in the batch that this is a share of; None for a batch."""


@dataclass(frozen=True)
class Hashed:
    """Pixels uint8 (N, C, H', W') and labels whose fingerprints are known: by the (C, H, W) that is seen of each."""

    pixels: Tensor
    labels: Tensor | None
    fingerprints: Mapping[tuple[int, int, int], str]


_CHUNK = 4096  # images
NOTHING_TO_SAY = Contents()


@dataclass(frozen=True)
class ImageSet:
    """A data set: images uint8 (N, C, H, W), N >= 1; labels int64 (N,) or None.

    Labels index `class_names`. `source` says where the images come from. Raises AlphabarError for other arrays.
    """

    name: str
    images: Tensor
    labels: Tensor | None
    class_names: tuple[str, ...]
    source: str
    contents: Contents = NOTHING_TO_SAY
    stored: Tensor | None = None
    """The number of values of each image as stored, (N,) int64, if it was padded and else kept as it is."""
    larger: Tensor | None = None
    """uint8 (N, C, H', W'), H' >= H and W' >= W, for random crops; `images` are views of the middle of these."""
    places: Places | None = None
    """By what the images are divided, if some are held out."""
    hashed: Hashed | None = None
    """What was hashed before, so that images on disk need not be read for their fingerprint."""

    def __post_init__(self) -> None:
        if self.images.dtype != torch.uint8 or self.images.ndim != 4 or self.images.numel() == 0:
            array = f"{self.images.dtype} {tuple(self.images.shape)}"
            raise AlphabarError(f"The images of '{self.name}' must be uint8 (N, C, H, W) and not empty; got {array}.")
        if self.labels is None:
            return
        if self.labels.dtype != torch.int64 or self.labels.shape != self.images.shape[:1]:
            array = f"{self.labels.dtype} {tuple(self.labels.shape)}"
            raise AlphabarError(f"The labels of '{self.name}' must be int64 ({len(self.images)},); got {array}.")
        low, high = int(self.labels.min()), int(self.labels.max())
        if low < 0 or high >= len(self.class_names):
            allowed = f"0..{len(self.class_names) - 1}, because there are {len(self.class_names)} class names"
            raise AlphabarError(f"The labels of '{self.name}' must lie in {allowed}; got {low}..{high}.")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    @property
    def num_classes(self) -> int:
        """The number of classes; 0 for a set without labels."""
        return 0 if self.labels is None else len(self.class_names)

    def described(self) -> str:
        """What there is to train on, in a line: the images, their classes, and what was left out."""
        shape = "x".join(map(str, self.shape))
        names = self.class_names if self.num_classes else ()
        classes = f"{counted(len(names), 'class')}: {some(names)}" if names else "no classes"
        images = f"{counted(len(self), 'image')} {shape} from {self.source}"
        return "; ".join([images, classes, *self.contents.phrases()])

    def fingerprint(self) -> str:
        """The sha256 of shape, pixels and labels, in hex. Equal sets have equal fingerprints, whatever their source.

        For random crops it is that of all pixels that can be seen.
        """
        images = self.images if self.larger is None else self.larger
        if self.hashed is not None and images is self.hashed.pixels and _equal(self.labels, self.hashed.labels):
            known = self.hashed.fingerprints.get(self.shape)
            if known is not None:
                return known
        digest = start_of_fingerprint(tuple(self.images.shape))
        for start in range(0, len(self), _CHUNK):
            digest.update(images[start : start + _CHUNK].cpu().contiguous().numpy().data)
        if self.labels is not None:
            digest.update(self.labels.cpu().contiguous().numpy().data)
        return digest.hexdigest()


def start_of_fingerprint(shape: tuple[int, ...]) -> "hashlib._Hash":
    """The sha256 of a fingerprint so far, before the bytes of the pixels and of the labels; shape: (N, C, H, W)."""
    return hashlib.sha256(repr(shape).encode())


def _equal(a: Tensor | None, b: Tensor | None) -> bool:
    return a is b or (a is not None and b is not None and torch.equal(a, b))
