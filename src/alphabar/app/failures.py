"""Errors -> sentences on the page: never a traceback, and nothing that only the terminal should see."""

import functools
import html
import inspect
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from alphabar.errors import is_sentence

_LOG = logging.getLogger(__name__)
_FLAG = re.compile(r"--([a-z][a-z-]*)")
_SECTION = re.compile(r"\[sampling\] |\bsampling\.(?=[a-z])")


def sentence(error: Exception) -> str:
    """One sentence for people. Options are named as on the page: "guidance interval" for --guidance-interval."""
    if is_sentence(error):
        text = _SECTION.sub("", " ".join(map(str, error.args)))
        return _FLAG.sub(lambda match: match[1].replace("-", " "), text)
    if isinstance(error, OSError):
        return f"A file cannot be read or written: {error.strerror or type(error).__name__}."
    if isinstance(error, MemoryError) or "memory" in str(error):
        return "There is not enough memory; take fewer images at a time."
    _LOG.error("The page met a fault in alphabar.", exc_info=error)
    return f"A fault in alphabar ({type(error).__name__}); the terminal of the page shows the details."


@contextmanager
def _said() -> Iterator[None]:
    import gradio as gr

    try:
        yield
    except gr.Error:
        raise
    except Exception as error:
        raise gr.Error(html.escape(sentence(error), quote=False), print_exception=False) from None


def said(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, an event of the page, whose errors are `gr.Error`s of one sentence; it may be a generator."""
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def generator(*args: Any, **more: Any) -> Iterator[Any]:
            with _said():
                yield from function(*args, **more)

        return generator

    @functools.wraps(function)
    def call(*args: Any, **more: Any) -> Any:
        with _said():
            return function(*args, **more)

    return call
