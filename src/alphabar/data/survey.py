"""Checks which images of a folder can be used, and records why the others cannot."""

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

from alphabar.data.decode import Header
from alphabar.data.files import UnreadableError, shown
from alphabar.data.listing import Listing
from alphabar.errors import AlphabarError
from alphabar.terminal.progress import progress

BAD_SHARE = 0.05  # above this share of unusable images, the fault is the folder's, not that of single files

_THREADS = 4  # Pillow releases the interpreter's lock while it decodes
_BLOCK = 1024  # files submitted to the threads at a time

I = TypeVar("I")  # noqa: E741 - an item
T = TypeVar("T")


@dataclass(frozen=True)
class Skipped:
    """A file that cannot be used (its path is relative to the folder) and the reason."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Survey:
    """The headers of the usable images, in the order of the listing, and the unusable files."""

    root: Path
    headers: dict[Path, Header]
    skipped: tuple[Skipped, ...]


def surveyed(root: Path, listing: Listing, look: Callable[[Path], Header]) -> Survey:
    """Reads each image with `look`; images that raise UnreadableError are skipped. AlphabarError if none is left."""
    headers = {}
    skipped = [Skipped(path, "permission denied") for path in listing.closed]
    images = listing.images
    for path, result in mapped(lambda path: look(root / path), images, "Reading headers", len(images)):
        if isinstance(result, Header):
            headers[path] = result
        else:
            skipped.append(Skipped(path, result.reason))
    if not headers:
        first = f"{shown(skipped[0].path)}: {skipped[0].reason}"
        raise AlphabarError(f"None of the {len(listing.images):,} images in {shown(root)} can be used ({first}).")
    return Survey(root, headers, tuple(skipped))


def check_share(survey: Survey) -> None:
    """Raises AlphabarError if more than BAD_SHARE of the images are unusable."""
    check_skipped(shown(survey.root), survey.skipped, len(survey.headers))


def check_skipped(what: str, skipped: Sequence[Skipped], usable: int) -> None:
    """AlphabarError if more than BAD_SHARE of the images in `what` are unusable."""
    bad, total = len(skipped), len(skipped) + usable
    if bad > BAD_SHARE * total:
        raise AlphabarError(
            f"{bad:,} of {total:,} images in {what} cannot be used, more than {BAD_SHARE:.0%}: "
            f"{some(skipped)}. Remove or repair them; `alphabar data inspect` lists them."
        )


def some(skipped: Sequence[Skipped], most: int = 10) -> str:
    """The first `most` skipped files, each with its reason, as text for a sentence."""
    named = "; ".join(f"{shown(item.path)} ({item.reason})" for item in skipped[:most])
    return f"{named}; ..." if len(skipped) > most else named


def mapped(
    work: Callable[[I], T], items: Iterable[I], label: str, total: int | None = None
) -> Iterator[tuple[I, T | UnreadableError]]:
    """Yields (item, work(item) or the UnreadableError that it raised), in order, computed by a few threads."""

    def attempt(item: I) -> T | UnreadableError:
        try:
            return work(item)
        except UnreadableError as error:
            return error

    threads, waiting = min(_THREADS, os.cpu_count() or 1), iter(items)
    with warnings.catch_warnings(), ThreadPoolExecutor(threads) as pool, progress(label, total) as advance:
        warnings.simplefilter("ignore")  # Pillow's warnings name no file; our reasons and notes say what matters
        while block := list(islice(waiting, _BLOCK)):
            for item, result in zip(block, pool.map(attempt, block), strict=True):
                yield item, result
                advance(1)
