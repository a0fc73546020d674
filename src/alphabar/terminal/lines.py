"""What reaches the terminal: the only module that writes there.

Names of files, classes, arrays and settings come from outside. In all text, control sequences, line breaks and marks
that change the direction of writing are shown as they are written in JSON, and nothing is read as rich's markup.
"""

import os
import select
import sys
import unicodedata
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNSAFE = frozenset({"Cc", "Cs", "Zl", "Zp"})  # control characters, lone surrogates, separators of lines and paragraphs
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def printable(text: str) -> str:
    """`text` on one line, with every character that could do more than be seen written as an escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        _SHORT.get(c, f"\\u{ord(c):04x}") if unicodedata.category(c) in _UNSAFE or c in _DIRECTIONS else c for c in text
    )


STDOUT, STDERR = 1, 2


def outlive() -> None:
    """Send stdout and stderr to nowhere if what they were connected to is gone: writing there would be an error.

    A terminal that was closed, or a pipe that nobody reads, must not end a training that writes to it.
    """
    for number in (STDOUT, STDERR):
        if _is_gone(number):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, number)
            os.close(nowhere)


def _is_gone(number: int) -> bool:
    poll = select.poll()
    poll.register(number, select.POLLOUT)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def say(line: str, *, error: bool = False) -> None:
    """Print one line to stdout, or to stderr."""
    stream = sys.stderr if error else sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    safe = printable(line).encode(encoding, "backslashreplace").decode(encoding)
    print(safe, file=stream, flush=True)


def say_lines(text: str) -> None:
    """Print a text of our own of several lines, such as a recipe, to stdout."""
    for line in text.splitlines():
        say(line)


def console(*, error: bool = False, quiet: bool = False) -> "Console":
    """A rich console on stdout or stderr for tables and bars."""
    from rich.console import Console
    from rich.segment import Segment

    class Plain(Console):
        """A console in which all that is printed is text."""

        def on_broken_pipe(self) -> None:
            """Go on without the pipe, which nobody reads any more."""
            outlive()

        def render(self, renderable: Any, options: Any = None) -> Iterable[Segment]:
            """The segments of `renderable`; those that are text hold nothing but text."""
            for segment in super().render(renderable, options):
                if segment.control or segment.text == "\n":
                    yield segment
                else:
                    yield segment._replace(text=_each_line(segment.text))

    return Plain(stderr=error, quiet=quiet, markup=False, emoji=False, highlight=False)


def _each_line(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))
