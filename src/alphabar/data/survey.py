"""The first look at a folder: which of its images can be used, and, of the others, why not."""

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from alphabar.data.decode import Header
from alphabar.data.files import UnreadableError, shown
from alphabar.data.listing import Listing
from alphabar.errors import AlphabarError
from alphabar.progress import progress

BAD_SHARE = 0.05  # with more unusable images than this, something is wrong with the folder and not with a file

_THREADS = 4  # Pillow decodes without the interpreter's lock
_BLOCK = 1024  # files handed to the threads at a time

T = TypeVar("T")


@dataclass(frozen=True)
class Skipped:
    """A file that cannot be used (relative to the folder), and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Survey:
    """The headers of the usable images, in the order of the listing, and the files that are not."""

    root: Path
    headers: dict[Path, Header]
    skipped: tuple[Skipped, ...]


def surveyed(root: Path, listing: Listing, look: Callable[[Path], Header]) -> Survey:
    """`look` at each image; what it refuses is skipped. Raises AlphabarError if nothing is left."""
    headers = {}
    skipped = [Skipped(path, "the folder may not be entered") for path in listing.closed]
    for path, seen in mapped(lambda path: look(root / path), listing.images, "Reading headers"):
        if isinstance(seen, Header):
            headers[path] = seen
        else:
            skipped.append(Skipped(path, seen.reason))
    if not headers:
        first = f"{shown(skipped[0].path)}: {skipped[0].reason}"
        raise AlphabarError(f"None of the {len(listing.images):,} images in {shown(root)} can be used ({first}).")
    return Survey(root, headers, tuple(skipped))


def check_share(survey: Survey) -> None:
    """Raises AlphabarError if more than BAD_SHARE of the images are unusable."""
    bad, found = len(survey.skipped), len(survey.skipped) + len(survey.headers)
    if bad > BAD_SHARE * found:
        raise AlphabarError(
            f"{bad:,} of {found:,} images in {shown(survey.root)} cannot be used, more than {BAD_SHARE:.0%}: "
            f"{some(survey.skipped)}. Remove or repair them; `alphabar data inspect` lists them."
        )


def some(skipped: Sequence[Skipped], most: int = 10) -> str:
    """The first few, each with its reason, for a sentence."""
    named = "; ".join(f"{shown(item.path)} ({item.reason})" for item in skipped[:most])
    return f"{named}; ..." if len(skipped) > most else named


def mapped(work: Callable[[Path], T], paths: Sequence[Path], label: str) -> Iterator[tuple[Path, T | UnreadableError]]:
    """(path, work(path) or the reason against it), in order, computed by a few threads."""

    def attempt(path: Path) -> T | UnreadableError:
        try:
            return work(path)
        except UnreadableError as error:
            return error

    threads = min(_THREADS, os.cpu_count() or 1)
    with warnings.catch_warnings(), ThreadPoolExecutor(threads) as pool, progress(label, len(paths)) as advance:
        warnings.simplefilter("ignore")  # Pillow's remarks name no file; what matters is in our reasons and notes
        for start in range(0, len(paths), _BLOCK):
            block = paths[start : start + _BLOCK]
            for path, result in zip(block, pool.map(attempt, block), strict=True):
                yield path, result
                advance(1)
