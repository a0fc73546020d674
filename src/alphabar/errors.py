"""The one exception that means "the input is wrong", and the one place where other errors become it."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum


class Exit(IntEnum):
    """The exit statuses of the command line."""

    DONE = 0
    MISTAKE = 2
    """Something that was asked for is wrong, which one sentence says."""
    INTERRUPTED = 4
    """A training was interrupted by a signal, and is saved."""
    DIVERGED = 5
    """A training stopped because its numbers went bad; its last good checkpoint is kept."""
    STORAGE = 6
    """A checkpoint could not be written; earlier ones are kept."""
    AT_ONCE = 130
    """Ctrl-C ended the program at once; nothing was saved for it."""


class AlphabarError(ValueError):
    """One sentence for the person who made the mistake: what is wrong, the value, what would be right.

    Several mistakes are several sentences, each an argument. The command line prints them and exits with `status`. An
    option is named as on the command line: --guidance-interval is the argument guidance_interval of Python.
    """

    status = Exit.MISTAKE

    def __init__(self, *sentences: str) -> None:
        super().__init__(*sentences)

    def __str__(self) -> str:
        return "\n".join(self.args)


class StorageError(AlphabarError):
    """A checkpoint could not be written: the disk is full, or gone, or closed to us."""

    status = Exit.STORAGE


class DivergedError(AlphabarError):
    """The numbers of a training went bad: a loss, a gradient or a weight is not finite, or senseless."""

    status = Exit.DIVERGED


def is_sentence(error: BaseException) -> bool:
    """Whether an error is for people: its class is alphabar's own. Any other is a bug, and keeps its traceback.

    The pure modules import nothing of ours, and have such classes too.
    """
    return isinstance(error, ValueError) and type(error).__module__.split(".")[0] == "alphabar"


@contextmanager
def sentences(section: str | None = None) -> Iterator[None]:
    """Turns an error of the pure modules, which know no settings, into an AlphabarError.

    section: the section of the settings that the value comes from, which the sentence then names.
    """
    try:
        yield
    except AlphabarError:
        raise
    except ValueError as error:
        if not is_sentence(error):
            raise
        raise AlphabarError(f"[{section}] {error}" if section else str(error)) from None


def check_number(option: str, value: object, least: int = 1, most: int | None = None) -> None:
    """AlphabarError unless an option is None, or a whole number from `least` to `most`."""
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise AlphabarError(f"{option} is a whole number of at least {least}; got {value!r}.")
    if most is not None and value > most:
        raise AlphabarError(f"{option} is at most {most:,}; got {value}.")
