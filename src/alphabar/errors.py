"""The one exception that means "the input is wrong", and the one place where other errors become it."""

from collections.abc import Iterator
from contextlib import contextmanager


class AlphabarError(ValueError):
    """One sentence for the person who made the mistake: what is wrong, the value, what would be right.

    The command line prints it and exits with status 2. An option is named as on the command line: --guidance-interval
    is the argument guidance_interval of Python.
    """


@contextmanager
def sentences(section: str | None = None) -> Iterator[None]:
    """Turns a ValueError of the pure modules, which know no settings, into an AlphabarError.

    section: the section of the settings that the value comes from, which the sentence then names.
    """
    try:
        yield
    except AlphabarError:
        raise
    except ValueError as error:
        raise AlphabarError(f"[{section}] {error}" if section else str(error)) from None
