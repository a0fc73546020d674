"""A progress bar for work that turns out to be long."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress

PATIENCE = 1.0  # seconds before a bar is worth its lines


@contextmanager
def progress(label: str, total: float | None) -> Iterator[Callable[[int], None]]:
    """Yields advance(amount); after a second a bar appears on stderr, if that is a terminal, and goes with the work."""
    console = Console(stderr=True)
    bar = Progress(console=console, transient=True)
    task = bar.add_task(label, total=total)
    started = time.monotonic()

    def advance(amount: int) -> None:
        bar.advance(task, amount)
        if console.is_terminal and not bar.live.is_started and time.monotonic() - started > PATIENCE:
            bar.start()

    try:
        yield advance
    finally:
        if bar.live.is_started:
            bar.stop()
