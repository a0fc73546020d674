"""A bar for work that turns out to be long; lines where nobody would see it; silence in all processes but one."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from alphabar import distributed

PATIENCE = 1.0  # seconds before a bar is worth its lines
LINE_EVERY = 60.0  # seconds between lines where there is no terminal


class _Done(ProgressColumn):
    """1,200/10,000  31.2/s."""

    def render(self, task: Task) -> Text:
        total = "" if task.total is None else f"/{task.total:,.0f}"
        rate = "" if not task.speed else f"  {task.speed:,.3g}/s" if task.speed < 100 else f"  {task.speed:,.0f}/s"
        return Text(f"{task.completed:,.0f}{total}{rate}")


@contextmanager
def progress(label: str, total: float | None) -> Iterator[Callable[[float], None]]:
    """Yields advance(amount); after a second a bar appears on stderr, if that is a terminal, and goes with the work."""
    console = Console(stderr=True, quiet=not distributed.is_main())
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        _Done(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    task = bar.add_task(label, total=total)
    started = said = time.monotonic()

    def advance(amount: float) -> None:
        nonlocal said
        bar.advance(task, amount)
        now = time.monotonic()
        if console.is_terminal and not bar.live.is_started and now - started > PATIENCE:
            bar.start()
        if not console.is_terminal and total and now - said > LINE_EVERY:
            said, done = now, bar.tasks[0].completed
            left = (now - started) / max(done, 1e-9) * (total - done)
            console.print(f"{label}  {done:,.0f}/{total:,.0f}, about {left:,.0f} s left", highlight=False)

    try:
        yield advance
    finally:
        if bar.live.is_started:
            bar.stop()
