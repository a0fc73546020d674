"""Image files that come one after another, not from a folder, as the origin of a pack."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from alphabar.data.contents import Contents
from alphabar.data.decode import MODES, decode
from alphabar.data.decoding import Decoder, Encoded, each
from alphabar.data.files import UnreadableError
from alphabar.data.options import DataOptions
from alphabar.data.packs.folders import how
from alphabar.data.packs.origin import Origin, Picture, Pictures
from alphabar.data.survey import Skipped
from alphabar.data.windows import roomy
from alphabar.errors import AlphabarError
from alphabar.files import digest

_MANY = 512  # files from which processes decode; the first so many are held in memory


@dataclass(frozen=True)
class Stream:
    """The image files of a split, with the numbers of their classes."""

    read: Callable[[int], Iterator[Encoded]]
    """The files from this number on, in an order that never changes."""
    total: int | None = None
    class_names: tuple[str, ...] | None = None
    """None if the numbers that occur become the classes."""


def origin(name: str, source: str, state: object, streams: Mapping[str, Stream], options: DataOptions) -> Origin:
    """The splits of a stream. state: what would change if the files changed, ready for JSON.

    Without data.channels they are colour images, and without data.image_size all must have the size of the first.
    """
    sized, channels = roomy(options), options.channels or 3
    if channels not in MODES:
        raise AlphabarError(f"Image files have 1, 3 or 4 channels; got data.channels={channels}.")
    if options.holdout and "test" in streams:
        raise AlphabarError(f"{source} has a test split of its own; set data.holdout=0.")
    size = sized.image_size or _first_size(source, next(iter(streams.values())), channels, sized)
    sized = replace(sized, image_size=size)
    decoder = Decoder(Path(), size, channels, sized)
    return Origin(
        name=name,
        source=source,
        digest=digest({"files": state, "how": how(options)}),
        shape=(channels, *size),
        options=options,
        splits={split: _pictures(decoder, stream, split, tuple(streams)) for split, stream in streams.items()},
        divides=options.holdout > 0 and "train" in streams,
    )


def _first_size(source: str, stream: Stream, channels: int, options: DataOptions) -> tuple[int, int]:
    for item in stream.read(0):
        try:
            image = decode(item.name, channels, options, content=item.content).image
        except UnreadableError:
            continue
        return image.height, image.width
    raise AlphabarError(f"{source} has no image that can be used.")


def _pictures(decoder: Decoder, stream: Stream, split: str, splits: tuple[str, ...]) -> Pictures:
    def read(start: int) -> Iterator[Picture | Skipped]:
        left = None if stream.total is None else stream.total - start
        for item, result in each(decoder, stream.read(start), f"Packing {split}", left, _MANY):
            if isinstance(result, UnreadableError):
                yield Skipped(item.name, result.reason)
            else:
                yield Picture(result[0], item.label, traits=result[1])

    divided = splits if len(splits) > 1 else ()
    contents = Contents(split, divided, background=decoder.options.background)
    return Pictures(read, stream.total, contents, stream.class_names)
