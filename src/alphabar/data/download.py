"""Downloads published files into the user's cache.

A file is checked before it gets its final name, so an incomplete download is never mistaken for the file.
"""

from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from alphabar.data.files import shown
from alphabar.data.options import DataOptions
from alphabar.errors import AlphabarError
from alphabar.files import atomic_file
from alphabar.terminal.progress import progress

_TIMEOUT = 20.0  # seconds without a byte
_CHUNK = 1 << 16
_MOST = 1_000_000_000  # bytes; the largest published file has 170 MB


def obtain(
    urls: Sequence[str],
    target: Path,
    check: Callable[[Path], object],
    options: DataOptions,
    searched: Sequence[Path],
    advice: str,
) -> None:
    """Downloads a file that is in none of the folders `searched`; raises AlphabarError if forbidden or if it fails.

    advice: the last sentence of the error: which file the user can put where.
    """
    try:
        if not options.download:
            raise AlphabarError(f"{target.name} is missing, and data.download=false forbids to download it.")
        download(urls, target, check)
    except AlphabarError as error:
        folders = ", ".join(shown(folder) for folder in searched)
        raise AlphabarError(f"{error} Searched {folders}. {advice}") from error


def download(urls: Sequence[str], target: Path, check: Callable[[Path], object]) -> None:
    """Downloads `target` from the first of `urls` whose file passes `check`, which raises AlphabarError if it is wrong.

    Raises AlphabarError with the reason of each failure if no URL works.
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
            left = _MOST
            while chunk := reply.read(_CHUNK):
                left -= len(chunk)
                if left < 0:
                    raise AlphabarError(f"it sends more than {_MOST / 1e6:g} MB")
                yield chunk
                advance(len(chunk))
    except AlphabarError:
        raise
    except (OSError, HTTPException, ValueError) as error:  # ValueError: redirected to something that is not a URL
        why = str(getattr(error, "reason", error)).partition("\n")[0]
        raise AlphabarError(why or type(error).__name__) from error
