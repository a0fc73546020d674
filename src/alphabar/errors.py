"""The one exception that means "the input is wrong", and the one place where other errors become it."""

from collections.abc import Iterator
from contextlib import contextmanager


class AlphabarError(ValueError):
    """One sentence for the person who made the mistake: what is wrong, the value, what would be right.

    Several mistakes are several sentences, each an argument. The command line prints them and exits with status 2. An
    option is named as on the command line: --guidance-interval is the argument guidance_interval of Python.
    """

    def __init__(self, *sentences: str) -> None:
        super().__init__(*sentences)

    def __str__(self) -> str:
        return "\n".join(self.args)


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
