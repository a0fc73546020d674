"""Progress of long work: a bar in a terminal, otherwise a line now and then; nothing in processes but the main one."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from alphabar import distributed, terminal

PATIENCE = 1.0  # seconds before a bar appears
LINE_EVERY = 60.0  # seconds between lines if there is no terminal


class _Done(ProgressColumn):
    """The column "1,200/10,000  31.2/s": the completed and total amounts, and the speed."""

    def render(self, task: Task) -> Text:
        total = "" if task.total is None else f"/{task.total:,.0f}"
        rate = "" if not task.speed else f"  {task.speed:,.3g}/s" if task.speed < 100 else f"  {task.speed:,.0f}/s"
        return Text(f"{task.completed:,.0f}{total}{rate}")


@contextmanager
def progress(label: str, total: float | None) -> Iterator[Callable[[float], None]]:
    """Yields advance(amount), which reports progress towards `total`.

    If stderr is a terminal, a bar appears there after PATIENCE seconds, and disappears at the end.
    """
    console = terminal.console(error=True, quiet=not distributed.is_main())
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        _Done(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    task = bar.add_task(label, total=total)
    started = last_line = time.monotonic()

    def advance(amount: float) -> None:
        nonlocal last_line
        bar.advance(task, amount)
        now = time.monotonic()
        if console.is_terminal and not bar.live.is_started and now - started > PATIENCE:
            bar.start()
        if not console.is_terminal and distributed.is_main() and total and now - last_line > LINE_EVERY:
            last_line, done = now, bar.tasks[0].completed
            left = (now - started) / max(done, 1e-9) * (total - done)
            terminal.say(f"{label}  {done:,.0f}/{total:,.0f}, about {left:,.0f} s left", error=True)

    try:
        yield advance
    finally:
        if bar.live.is_started:
            bar.stop()
