"""ImageSet: a whole data set in memory, as uint8. Batch: a few of its images."""

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from alphabar.errors import AlphabarError


@dataclass(frozen=True)
class Batch:
    """images uint8 (B, C, H, W); labels int64 (B,) or None."""

    images: Tensor
    labels: Tensor | None


@dataclass(frozen=True)
class ImageSet:
    """images uint8 (N, C, H, W), N >= 1; labels int64 (N,), indices into `class_names`, or None; and where from."""

    name: str
    images: Tensor
    labels: Tensor | None
    class_names: tuple[str, ...]
    source: str

    def __post_init__(self) -> None:
        if self.images.dtype != torch.uint8 or self.images.ndim != 4 or self.images.numel() == 0:
            found = f"{self.images.dtype} {tuple(self.images.shape)}"
            raise AlphabarError(f"The images of '{self.name}' must be uint8 (N, C, H, W) and not empty; got {found}.")
        if self.labels is None:
            return
        if self.labels.dtype != torch.int64 or self.labels.shape != self.images.shape[:1]:
            found = f"{self.labels.dtype} {tuple(self.labels.shape)}"
            raise AlphabarError(f"The labels of '{self.name}' must be int64 ({len(self.images)},); got {found}.")
        low, high = int(self.labels.min()), int(self.labels.max())
        if low < 0 or high >= len(self.class_names):
            allowed = f"0..{len(self.class_names) - 1}, as there are {len(self.class_names)} class names"
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
        """How many classes the labels tell apart; 0 for a set without labels."""
        return 0 if self.labels is None else len(self.class_names)

    def fingerprint(self) -> str:
        """sha256 over shape, pixels and labels, in hex: equal sets have equal fingerprints, whatever their source."""
        digest = hashlib.sha256(repr(tuple(self.images.shape)).encode())
        digest.update(self.images.cpu().contiguous().numpy().data)
        if self.labels is not None:
            digest.update(self.labels.cpu().contiguous().numpy().data)
        return digest.hexdigest()
