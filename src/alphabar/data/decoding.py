"""Image file -> the pixels that the network sees, and its traits: by threads, or by processes where files are many."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice, tee
from pathlib import Path
from typing import TypeVar

import numpy as np

from alphabar.data.contents import Levels
from alphabar.data.decode import Decoded, decode
from alphabar.data.files import UnreadableError, shown
from alphabar.data.fit import Pixels
from alphabar.data.options import DataOptions, sized
from alphabar.data.survey import Skipped, Survey, mapped
from alphabar.data.workers import cores, in_processes
from alphabar.images import POSITIONS, RESIZE_RULES, Size
from alphabar.terminal.progress import progress

MANY = 5_000  # files from which processes are faster than threads: it takes them seconds to start


@dataclass(frozen=True)
class Traits:
    """What was seen of an image as it was decoded."""

    levels: Levels
    transparent: bool
    place: float | None = None

    @classmethod
    def of(cls, decoded: Decoded) -> "Traits":
        """The traits of a decoded image, without its pixels."""
        return cls(Levels(decoded.low, decoded.high, decoded.white), decoded.transparent, decoded.place)


@dataclass(frozen=True)
class Encoded:
    """An image file that is not on disk: its name, what it holds, and the number of its class, -1 for none."""

    name: Path
    content: bytes
    label: int = -1


I = TypeVar("I", Path, Encoded)  # noqa: E741 - an item


@dataclass(frozen=True)
class Decoder:
    """A file below `root`, or an Encoded -> its uint8 pixels (C, *size) and its traits; UnreadableError if unusable.

    It is data alone, so that it can be sent to another process.
    """

    root: Path
    size: Size
    channels: int
    options: DataOptions

    def __call__(self, item: Path | Encoded) -> tuple[Pixels, Traits]:
        """The pixels and traits of one file."""
        name, content = (item.name, item.content) if isinstance(item, Encoded) else (item, None)
        decoded = decode(self.root / name, self.channels, self.options, content=content)
        image, size, options = decoded.image, self.size, self.options
        if (image.height, image.width) != size and options.resize != "none":
            image = RESIZE_RULES[options.resize](image, size, options.background, POSITIONS[options.crop])
        if (image.height, image.width) != size:
            have = sized((image.height, image.width))
            raise UnreadableError(name, f"it is {have} and not {sized(size)}, and data.resize is not set")
        pixels = np.asarray(image).reshape(*size, self.channels).transpose(2, 0, 1)
        return np.ascontiguousarray(pixels), Traits.of(decoded)

    def named(self, item: Path | Encoded) -> str:
        """An item in a sentence."""
        return shown(self.root / (item.name if isinstance(item, Encoded) else item))


def each(
    decoder: Decoder, items: Iterable[I], label: str, total: int | None = None, many: int | None = None
) -> Iterator[tuple[I, tuple[Pixels, Traits] | UnreadableError]]:
    """(item, its pixels and traits, or why it cannot be used), in order, with a bar up to `total`.

    many: the number of items from which processes do the work.
    """
    waiting = iter(items)
    first = list(islice(waiting, many := many or MANY))
    if len(first) < many or cores() < 2:
        yield from mapped(decoder, chain(first, waiting), label, total)
        return
    given, kept = tee(chain(first, waiting))
    del first
    with progress(label, total) as advance:
        for item, result in zip(kept, in_processes(decoder, given, decoder.named), strict=True):
            yield item, result
            advance(1)


@dataclass(frozen=True)
class Decoding:
    """The decoded images uint8 (n, C, H, W), their paths and traits, and the files that could not be decoded."""

    images: Pixels
    paths: list[Path]
    traits: list[Traits]
    skipped: list[Skipped]


def decoded_images(survey: Survey, size: Size, channels: int, options: DataOptions) -> Decoding:
    """The images of a survey with the requested channels, resized to (H, W); without those that turn out broken."""
    results = Decoding(np.empty((len(survey.headers), channels, *size), np.uint8), [], [], [])
    decoder = Decoder(survey.root, size, channels, options)
    for path, result in each(decoder, survey.headers, "Decoding images", len(survey.headers)):
        if isinstance(result, UnreadableError):
            results.skipped.append(Skipped(path, result.reason))
        else:
            results.images[len(results.paths)], traits = result
            results.paths.append(path)
            results.traits.append(traits)
    return replace(results, images=results.images[: len(results.paths)])
