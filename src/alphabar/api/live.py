"""`alphabar.live`: a training as it goes, in a notebook or a terminal, from what its run directory holds."""

import sys
import time
from base64 import b64encode
from collections.abc import Callable
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

from alphabar.errors import AlphabarError, sentences
from alphabar.runs.run import Run
from alphabar.terminal import say
from alphabar.training.progress import RunProgress, progress

DAY = 86_400
"""Seconds."""


class View:
    """A run's progress as a notebook shows it: a line, the curve of the loss, the newest preview."""

    def __init__(self, state: RunProgress) -> None:
        self.state = state

    def __repr__(self) -> str:
        return f"{self.state.path}: {self.state.line}"

    def _repr_html_(self) -> str:
        pictures = [png for png in (self._curve(), self._preview()) if png is not None]
        shown = "".join(
            f'<img style="max-width: 49%; vertical-align: top" src="data:image/png;base64,{b64encode(png).decode()}">'
            for png in pictures
        )
        return f"<div><code>{escape(repr(self))}</code><br>{shown}</div>"

    def _curve(self) -> bytes | None:
        from alphabar import plots

        file = BytesIO()
        figure = plots.loss_figure(Run(self.state.path).metrics)
        if figure is None:
            return None
        figure.savefig(file, format="png", dpi=80)
        return file.getvalue()

    def _preview(self) -> bytes | None:
        try:
            return None if self.state.preview is None else self.state.preview.read_bytes()
        except OSError:  # the run was moved away
            return None


@sentences()
def live(run: str | Path, *, every: float = 5.0) -> None:
    """Follow the training of a run until it ends or you interrupt: the loss by quarter of t, images/s, the time left.

    In a notebook, one display with the curve and the newest preview grid is refreshed every so many seconds; elsewhere
    a line is printed whenever there is news. The run is only read: another process, or another notebook, trains it.
    If none does, its last state is shown once.
    """
    if isinstance(every, bool) or not isinstance(every, int | float) or not 0 < every <= DAY:
        raise AlphabarError(
            f"every is the number of seconds between two refreshes, above 0 and at most {DAY:,}; got {every!r}."
        )
    show = _notebook() or _lines()
    try:
        while True:
            state = progress(Path(run))
            show(View(state))
            if not state.is_training:
                return
            time.sleep(every)
    except KeyboardInterrupt:  # the way to stop looking; the training goes on
        return


def _lines() -> Callable[[View], None]:
    """Prints the line of a view, unless it is the one before."""
    last = ""

    def show(view: View) -> None:
        nonlocal last
        if repr(view) != last:
            last = repr(view)
            say(last)

    return show


def _notebook() -> Callable[[View], None] | None:
    """Refreshes one display of the notebook that this is; None where there is no notebook."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if not hasattr(shell, "kernel"):
        return None
    from IPython.display import display

    handle: Any = None

    def show(view: View) -> None:
        nonlocal handle
        if handle is None:
            handle = display(view, display_id=True)  # type: ignore[no-untyped-call]
        else:
            handle.update(view)

    return show
