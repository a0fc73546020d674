"""The Runs tab: one run, or two beside each other."""

from typing import Any

import gradio as gr

from alphabar.app.failures import said
from alphabar.app.pickers import QUICK, run_picker
from alphabar.app.watch import NO_RUN, Stamp, Watch
from alphabar.evaluation.report import SCORES

EVERY = 5
"""Seconds between two looks at a run."""
SECONDS = 3600


def runs_tab(does: Watch, page: gr.Blocks) -> None:
    """Two columns, which follow the chosen runs while they are trained, as long as the page is open."""
    starts = [page.load, gr.Timer(EVERY).tick]
    with gr.Row(equal_height=False):
        _column(does, starts, "Run", ())
        _column(does, starts, "Compare with", (NO_RUN,))


def _column(does: Watch, starts: list[Any], label: str, more: tuple[str, ...]) -> None:
    with gr.Column(min_width=320):
        run = run_picker(does.models, label, more)
        status = gr.Markdown()
        loss = _picture("Loss, by quarter of t")
        slider = gr.Slider(
            0, 1, 0, step=1, label="Preview", visible=False,
            info="Images of the same seeds, from the start of the training to its end.",
        )  # fmt: skip
        step = gr.Markdown()
        preview = _picture("Preview", "pixels")
        about = gr.Markdown()
        table = gr.Dataframe(
            headers=list(SCORES), interactive=False, label="Newest evaluation", wrap=True, visible=False
        )
        scores = _picture("Scores while training")
        stamp = gr.State(None, time_to_live=SECONDS)

    @said
    def look(run: str, before: Stamp | None) -> Any:
        now = does.stamp(run)
        if now == before:
            return [gr.skip()] * 9
        shown = does.shown(run)
        last = len(shown.previews) - 1
        slide = gr.Slider(maximum=max(1, last), value=max(0, last), visible=last > 0)
        grid, text = does.preview(run, last)
        lines = gr.Dataframe(shown.table, visible=bool(shown.table))
        pictures = map(_shown, (shown.loss, grid, shown.scores))
        return shown.status, slide, text, shown.about, lines, now, *pictures

    @said
    def slid(run: str, number: float) -> Any:
        grid, text = does.preview(run, number)
        return text, _shown(grid)

    outputs = [status, slider, step, about, table, stamp, loss, preview, scores]
    for event in (*starts, run.change):
        event(look, [run, stamp], outputs, api_name=False, **QUICK)
    slider.input(slid, [run, slider], [step, preview], api_name=False, **QUICK)


def _picture(label: str, *classes: str) -> gr.Image:
    return gr.Image(
        label=label,
        interactive=False,
        format="png",
        buttons=["fullscreen"],
        visible=False,
        elem_classes=["titled", *classes],
    )


def _shown(picture: Any) -> gr.Image:
    """A picture, which is hidden as long as there is none."""
    return gr.Image(picture, visible=picture is not None)
