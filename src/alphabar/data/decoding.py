"""Image file -> the pixels that the network sees, and its traits: by threads, or by processes where files are many."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from alphabar.data.contents import Levels
from alphabar.data.decode import Decoded, decode
from alphabar.data.files import UnreadableError, shown
from alphabar.data.fit import Pixels
from alphabar.data.options import DataOptions
from alphabar.data.survey import Skipped, Survey, mapped
from alphabar.data.workers import cores, in_processes
from alphabar.images import POSITIONS, RESIZE_RULES, Size
from alphabar.progress import progress

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
    """An image file that is not on disk: its name, which must have no folder, and what it holds."""

    name: Path
    content: bytes


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
            raise UnreadableError(name, "its size changed while it was being read")
        pixels = np.asarray(image).reshape(*size, self.channels).transpose(2, 0, 1)
        return np.ascontiguousarray(pixels), Traits.of(decoded)


def each(
    decoder: Decoder, paths: Sequence[Path], label: str
) -> Iterator[tuple[Path, tuple[Pixels, Traits] | UnreadableError]]:
    """(path, its pixels and traits, or why it cannot be used), in order, with a bar."""
    if len(paths) < MANY or cores() < 2:
        yield from mapped(decoder, paths, label)
        return
    with progress(label, len(paths)) as advance:
        for path, result in zip(
            paths, in_processes(decoder, paths, lambda path: shown(decoder.root / path)), strict=True
        ):
            yield path, result
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
    for path, result in each(Decoder(survey.root, size, channels, options), list(survey.headers), "Decoding images"):
        if isinstance(result, UnreadableError):
            results.skipped.append(Skipped(path, result.reason))
        else:
            results.images[len(results.paths)], traits = result
            results.paths.append(path)
            results.traits.append(traits)
    return replace(results, images=results.images[: len(results.paths)])
