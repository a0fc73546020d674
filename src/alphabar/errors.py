"""The one exception that means "the input is wrong", and the one place where other errors become it."""

import re
from collections.abc import Iterator, Mapping
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


@contextmanager
def options(names: Mapping[str, str]) -> Iterator[None]:
    """Names settings in the sentences of a part as the options of the command: data.resize=pad as --resize pad.

    names: of the options, by setting; a setting that is not among them keeps its name.
    """

    def option(match: re.Match[str]) -> str:
        name, value = match.groups()
        return match[0] if name not in names else f"{names[name]} {value}" if value else names[name]

    try:
        yield
    except AlphabarError as error:
        named = [re.sub(r"\b([a-z]+\.[a-z_]+)\b(?:=([^\s,;:.]+))?", option, str(part)) for part in error.args]
        if named == list(error.args):
            raise
        raise type(error)(*named) from None
