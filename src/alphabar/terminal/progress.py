"""Progress of long work: a bar in a terminal, otherwise a line now and then; nothing in processes but the main one."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from alphabar import distributed, terminal

PATIENCE = 1.0  # seconds before a bar appears
LINE_EVERY = 60.0  # seconds between lines if there is no terminal


@contextmanager
def progress(label: str, total: float | None) -> Iterator[Callable[[float], None]]:
    """Yields advance(amount), which reports progress towards `total`.

    If stderr is a terminal, a bar appears there after PATIENCE seconds, and disappears at the end.
    """
    said, has_bar = distributed.is_main(), sys.stderr.isatty()
    started = last_line = time.monotonic()
    done, bar = 0.0, None

    def advance(amount: float) -> None:
        nonlocal last_line, done, bar
        done, now = done + amount, time.monotonic()
        if said and has_bar and bar is None and now - started > PATIENCE:
            from alphabar.terminal.bar import Bar

            bar = Bar(label, total, done, started)
        elif bar is not None:
            bar.show(done)
        elif said and not has_bar and total and now - last_line > LINE_EVERY:
            last_line = now
            left = (now - started) / max(done, 1e-9) * (total - done)
            terminal.say(f"{label}  {done:,.0f}/{total:,.0f}, about {left:,.0f} s left", error=True)

    try:
        yield advance
    finally:
        if bar is not None:
            bar.remove()
