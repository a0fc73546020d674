"""Fetching a published file into the user's cache: checked before it gets its name, so a half of it is never found."""

from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from alphabar.data.files import shown
from alphabar.data.options import DataOptions
from alphabar.errors import AlphabarError
from alphabar.files import atomic_file
from alphabar.progress import progress

_TIMEOUT = 20.0  # seconds without a byte
_CHUNK = 1 << 16


def obtain(
    urls: Sequence[str],
    target: Path,
    check: Callable[[Path], object],
    options: DataOptions,
    looked: Sequence[Path],
    put: str,
) -> None:
    """`download` what was not in the folders `looked`; AlphabarError if `options` forbid it or it fails.

    put: what the user would have to put there.
    """
    try:
        if not options.download:
            raise AlphabarError(f"{target.name} is not here, and data.download=false.")
        download(urls, target, check)
    except AlphabarError as error:
        folders = ", ".join(shown(folder) for folder in looked)
        raise AlphabarError(f"{error} Looked in {folders}; put {put}.") from error


def download(urls: Sequence[str], target: Path, check: Callable[[Path], object]) -> None:
    """The first of `urls` that answers and passes `check` (which raises AlphabarError) becomes `target`.

    Raises AlphabarError that says why each of them failed.
    """
    failures = []
    for url in urls:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(target) as file:
                for chunk in _chunks(url, target.name):
                    file.write(chunk)
                file.flush()
                check(Path(file.name))
            return
        except (AlphabarError, OSError) as error:
            failures.append(f"{urlsplit(url).hostname}: {error}".rstrip("."))
    raise AlphabarError(f"{target.name} could not be downloaded ({'; '.join(failures)}).")


def _chunks(url: str, label: str) -> Iterator[bytes]:
    try:
        request = Request(url, headers={"User-Agent": "alphabar"})
        with urlopen(request, timeout=_TIMEOUT) as reply, progress(label, reply.length) as advance:
            while chunk := reply.read(_CHUNK):
                yield chunk
                advance(len(chunk))
    except (OSError, HTTPException, ValueError) as error:  # ValueError: sent on to what is no address
        why = str(getattr(error, "reason", error)).partition("\n")[0]
        raise AlphabarError(why or type(error).__name__) from error
