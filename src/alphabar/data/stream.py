"""An endless shuffled stream of a data set, addressed by position, so that resuming needs no saved state."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch

from alphabar.data.image_set import Batch, ImageSet
from alphabar.data.on_device import sent
from alphabar.data.windows import windows

_WORD = (1 << 64) - 1
FLIPS, CROPS = 1, 2  # what random bits are for


@dataclass(frozen=True)
class ShuffledStream:
    """The endless stream whose position p holds image π_e(p mod N) of epoch e = p // N.

    The permutation π_e depends on (seed, e) alone. Whether an image is mirrored, and which window of it is seen where
    there is a choice, depends on (seed, p) alone. So every
    process can read any positions at any time, in batches of any size. A batch may span several epochs.
    """

    image_set: ImageSet
    seed: int
    horizontal_flip: bool = False

    def batch(self, start: int, count: int) -> Batch:
        """The images at positions start..start+count-1, in order (start >= 0, count >= 1)."""
        images, labels = self.image_set.images, self.image_set.labels
        numbers = self._rows(start, count)
        rows = sent(torch.from_numpy(numbers), images.device)
        if self.image_set.larger is None:
            selected = images.index_select(0, rows)
        else:
            bits = words(self.seed, CROPS, start, count).tolist()
            selected = windows(self.image_set.larger, numbers.tolist(), self.image_set.shape[1:], bits)
        if self.horizontal_flip:
            mirrored = sent(torch.from_numpy(coin_flips(self.seed, start, count)), images.device)
            selected = torch.where(mirrored[:, None, None, None], selected.flip(3), selected)
        return Batch(selected, None if labels is None else labels.index_select(0, rows.to(labels.device)))

    def share(self, start: int, count: int, rows: range) -> Batch:
        """These rows of the batch of the images at positions start..start+count-1."""
        return replace(self.batch(start + rows.start, len(rows)), whole=count)

    def numbers(self, start: int, count: int) -> list[int]:
        """The numbers, in the set, of the images at positions start..start+count-1."""
        numbers: list[int] = self._rows(start, count).tolist()
        return numbers

    def _rows(self, start: int, count: int) -> npt.NDArray[np.int64]:
        size, end = len(self.image_set), start + count
        stretches = []
        for epoch in range(start // size, (end - 1) // size + 1):
            first, last = max(start - epoch * size, 0), min(end - epoch * size, size)
            stretches.append(permutation(self.seed, epoch, size)[first:last])
        return np.concatenate(stretches)


@lru_cache(maxsize=2)  # a batch may span the current epoch and the next one
def permutation(seed: int, epoch: int, size: int) -> npt.NDArray[np.int64]:
    """The permutation π_epoch of 0..size-1, int64. The array is shared and read-only."""
    order = np.random.default_rng((seed & _WORD, epoch)).permutation(size).astype(np.int64)
    order.flags.writeable = False
    return order


def coin_flips(seed: int, start: int, count: int) -> npt.NDArray[np.bool_]:
    """A fair coin flip for each position start..start+count-1: the top bit of its word."""
    return np.asarray(words(seed, FLIPS, start, count) >> np.uint64(63), np.bool_)


def words(seed: int, purpose: int, start: int, count: int) -> npt.NDArray[np.uint64]:
    """64 random bits for each position start..start+count-1: splitmix64, with a key from the seed and the purpose."""
    key = np.random.SeedSequence(seed & _WORD, spawn_key=(purpose,)).generate_state(1, np.uint64)
    golden = np.uint64(0x9E3779B97F4A7C15)
    z = key + (np.arange(start, start + count, dtype=np.uint64) + np.uint64(1)) * golden
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)), np.uint64)
