"""Seeds -> images. Image k depends on seed k alone: not on the batch, nor on which other seeds are asked for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from alphabar.build import Condition
from alphabar.diffusion import Denoiser, Sampler, SeededNoise, Step, reverse_process
from alphabar.errors import AlphabarError

MOST_IMAGES = 1_000_000


@dataclass(frozen=True)
class Job:
    """What is to be drawn: seeds, the class of each (or None), and the shape (C, H, W) of an image."""

    seeds: tuple[int, ...]
    labels: tuple[int, ...] | None
    shape: tuple[int, int, int]

    def batches(self, size: int) -> Iterator["Job"]:
        """The job in pieces of at most `size` images."""
        for i in range(0, len(self.seeds), size):
            labels = None if self.labels is None else self.labels[i : i + size]
            yield Job(self.seeds[i : i + size], labels, self.shape)


def job(seeds: Sequence[int], shape: tuple[int, int, int], num_classes: int, label: int | None = None) -> Job:
    """A job for these seeds; a class-conditional model draws class `label`, or class (seed mod num_classes) if None."""
    if len(seeds) > MOST_IMAGES:
        raise AlphabarError(f"{len(seeds):,} images are too many for one job; draw at most {MOST_IMAGES:,} at a time.")
    labels = tuple(seed % num_classes if label is None else label for seed in seeds) if num_classes else None
    return Job(tuple(seeds), labels, shape)


def denoise(
    denoiser: Denoiser,
    sampler: Sampler,
    batch: Job,
    device: torch.device | str = "cpu",
    condition: Condition = Denoiser.given,
    start: int | None = None,
) -> Iterator[Step]:
    """The reverse process of one batch, from x_T ~ N(0, I) to x_0, step by step.

    condition: how the denoiser is told the classes of the batch; start: a row of the chain to begin at, as if it was T.
    """
    noise = SeededNoise(batch.seeds)
    x = noise(torch.empty((len(batch.seeds), *batch.shape), device=device)).contiguous(
        memory_format=torch.channels_last
    )
    if batch.labels is not None:
        denoiser = condition(denoiser, torch.tensor(batch.labels, device=device))
    yield from reverse_process(sampler, denoiser, x, start=start, noise=noise)


def draw(
    denoiser: Denoiser,
    sampler: Sampler,
    whole: Job,
    batch_size: int,
    device: torch.device | str = "cpu",
    condition: Condition = Denoiser.given,
    start: int | None = None,
) -> Iterator[Step]:
    """The steps of all batches of a job, one batch after the other; those at t = 0 hold its images, in order.

    Keep what you need of a step and let it go: a whole chain does not fit into memory.
    """
    for batch in whole.batches(batch_size):
        yield from denoise(denoiser, sampler, batch, device, condition, start)


def parse_class(text: str | None, names: Sequence[str]) -> int | None:
    """'3' or the name of class 3 -> 3, for a model of these classes; None stays None."""
    if text is None:
        return None
    if not names:
        raise AlphabarError(f"Class {text} was asked for, but this model knows no classes; leave --class out.")
    if text in names:
        return names.index(text)
    if text.isdecimal() and int(text) < len(names):
        return int(text)
    known = ", ".join(f"{number} {name}" for number, name in enumerate(names[:20]))
    more = ", ..." if len(names) > 20 else ""
    raise AlphabarError(f"There is no class {text}; this model's classes are 0..{len(names) - 1}: {known}{more}.")


def parse_seeds(text: str) -> list[int]:
    """'0-63,100' -> [0, ..., 63, 100]."""
    ranges = [_range(part.strip(), text) for part in text.split(",")]
    if (count := sum(map(len, ranges))) > MOST_IMAGES:
        raise AlphabarError(f"'{text}' are {count:,} seeds; draw at most {MOST_IMAGES:,} images at a time.")
    return [seed for part in ranges for seed in part]


def _range(part: str, text: str) -> range:
    first, _, last = part.partition("-")
    if not (first.isdecimal() and (last.isdecimal() or "-" not in part)) or int(last or first) < int(first):
        raise AlphabarError(f"'{text}' is not a list of seeds; write numbers and ranges, as 0-63,100.")
    if int(last or first) >= 2**32:
        raise AlphabarError(f"The seed {last or first} is too large; seeds are below 2^32 = {2**32}.")
    return range(int(first), int(last or first) + 1)
