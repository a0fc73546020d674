"""The one exception that means "the input is wrong", and the one place where other errors become it."""

from collections.abc import Iterator
from contextlib import contextmanager


class AlphabarError(ValueError):
    """One sentence for the person who made the mistake: what is wrong, the value, what would be right.

    The command line prints it and exits with status 2.
    """


@contextmanager
def settings_of(section: str) -> Iterator[None]:
    """Turns a ValueError of the pure modules, which know no settings, into an AlphabarError that names `section`."""
    try:
        yield
    except AlphabarError:
        raise
    except ValueError as error:
        raise AlphabarError(f"[{section}] {error}") from None
