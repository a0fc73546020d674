"""Errors -> the sentences that the command line prints; None for a bug, whose traceback is shown."""

import re
from collections.abc import Collection
from typing import Any

from alphabar.errors import is_sentence

NO_MEMORY = ("out of memory", "not enough memory", "can't allocate memory")
"""Words of torch's errors for memory that could not be allocated; other errors speak of memory too."""


TAKES_SETTINGS = "overrides"
"""The argument of the commands that take section.key=value."""

LESS_MEMORY = {
    "--dry-run": "a smaller training.micro_batch_size",
    "--batch-size": "a smaller --batch-size",
    "--seeds": "fewer --seeds",
    "--count": "a smaller --count",
    "--image-size": "a smaller --image-size",
}
"""What takes less memory, by the option of the command that it is for."""


def sentences(error: Exception, options: Collection[str] = ()) -> tuple[str, ...] | None:
    """The sentences for an error that the user can correct; None for a bug.

    options: those of the command, so that no other is advised.
    """
    if is_sentence(error):
        return tuple(in_options(str(sentence), options) for sentence in error.args)
    if hasattr(error, "format_message"):  # of typer, whose classes have changed their module between versions
        return (_usage(error),)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return (f"{where}{error.strerror or error}.",)
    if isinstance(error, MemoryError) or any(words in str(error) for words in NO_MEMORY):
        less = next((advice for option, advice in LESS_MEMORY.items() if option in options), "fewer images at a time")
        return (f"There is not enough memory ({error}); try {less}.",)
    return None


def _usage(error: Any) -> str:
    """A mistake in the words of the command line, with the command whose help says what is right."""
    context = getattr(error, "ctx", None)
    message = _not_a_number(error) or error.format_message().rstrip(".?")
    if context is None:
        return f"{message}."
    if not message:  # a group of commands, whose help was printed
        return f"Name a command from that list, as in `{context.command_path} {next(iter(context.command.commands))}`."
    return _of_group(message, context) or f"{message}; see `{context.command_path} --help`."


def _not_a_number(error: Any) -> str:
    """What is wrong with a value that should be a number, with the value; empty for anything else."""
    found = re.fullmatch(r"(.*: )Input should be (a valid \w+), unable to parse.*", error.format_message().rstrip("."))
    cause = error.__cause__ or error.__context__
    if found is None or not hasattr(cause, "errors"):
        return ""
    return f"{found[1]}{cause.errors()[0]['input']!r} is not {found[2]}"


def _of_group(message: str, context: Any) -> str:
    """Where a command is that was looked for among the commands of `context`; empty if it is nowhere."""
    name = re.match(r"No such command '(.*?)'", message)
    groups = getattr(context.command, "commands", {})
    places = [group for group, each in groups.items() if name and name[1] in getattr(each, "commands", {})]
    return f"{message}; did you mean `{context.command_path} {places[0]} {name[1]}`?" if name and places else ""


_SETTING = re.compile(r"\b(?:data|sampling|evaluation)\.([a-z_]+)(?:=([^\s,;)]*[^\s,;.)]))?")
_OF_SAMPLING = re.compile(r"\[sampling\] (?:([a-z_]+) )?")
_FLAGS = {"guidance_scale": "--guidance", "path": "--data", "root": "--data-root", "num": "--num"}
"""Options that are not called like the setting."""


def in_options(sentence: str, options: Collection[str]) -> str:
    """A sentence of the settings in the words of a command: data.image_size=32 is --image-size 32, if it has that.

    The commands that take settings keep them, and so does a sentence about what the command has no option for.
    """
    if TAKES_SETTINGS in options:
        return sentence

    def flag(name: str) -> str | None:
        option = _FLAGS.get(name, f"--{name.replace('_', '-')}")
        return option if option in options else None

    def setting(match: re.Match[str]) -> str:
        option, value = flag(match[1]), match[2]
        return match[0] if option is None else option if value is None else f"{option} {value}"

    def word(match: re.Match[str]) -> str:
        return "" if match[1] is None else f"{flag(match[1]) or match[1]} "

    return _SETTING.sub(setting, _OF_SAMPLING.sub(word, sentence))
