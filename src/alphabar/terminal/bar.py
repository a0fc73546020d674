"""The bar that shows progress in a terminal; importing what draws it takes 0.15 s, which short work does not need."""

from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from alphabar import terminal


class _Done(ProgressColumn):
    """The column "1,200/10,000  31.2/s": the completed and total amounts, and the speed."""

    def render(self, task: Task) -> Text:
        total = "" if task.total is None else f"/{task.total:,.0f}"
        rate = "" if not task.speed else f"  {task.speed:,.3g}/s" if task.speed < 100 else f"  {task.speed:,.0f}/s"
        return Text(f"{task.completed:,.0f}{total}{rate}")


class Bar:
    """A bar on stderr, which appears when it is made."""

    def __init__(self, label: str, total: float | None, done: float, started: float) -> None:
        """started: when the work began, by `time.monotonic`."""
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            _Done(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=terminal.console(error=True),
            transient=True,
        )
        self._progress.tasks[self._progress.add_task(label, total=total)].start_time = started
        self.show(done)
        self._progress.start()

    def show(self, done: float) -> None:
        """So much is done."""
        self._progress.update(self._progress.task_ids[0], completed=done)

    def remove(self) -> None:
        """Take the bar off the screen."""
        self._progress.stop()
