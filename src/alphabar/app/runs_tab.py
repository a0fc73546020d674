"""The Runs tab: one run, or two beside each other."""

from typing import Any

import gradio as gr

from alphabar.app.failures import said
from alphabar.app.pickers import QUICK, run_picker
from alphabar.app.watch import NOTHING, Stamp, Watch
from alphabar.evaluation.report import SCORES

EVERY = 5
"""Seconds between two looks at a run."""
SECONDS = 3600


def runs_tab(does: Watch, page: gr.Blocks) -> None:
    """Two columns, which follow the chosen runs while they are trained, as long as the page is open."""
    starts = [page.load, gr.Timer(EVERY).tick]
    names = does.models.names
    with gr.Row(equal_height=False):
        _column(does, starts, "Run", names[0])
        _column(does, starts, "Compare with", names[1])


def _column(does: Watch, starts: list[Any], label: str, first: str) -> None:
    with gr.Column(min_width=320):
        run = run_picker(does.models, label, first)
        status = gr.Markdown(NOTHING)
        loss = gr.Image(label="Loss, by quarter of t", interactive=False, format="png", buttons=["fullscreen"])
        slider = gr.Slider(
            0, 1, 0, step=1, label="Preview", interactive=False,
            info="Images of the same seeds, from the start of the training to its end.",
        )  # fmt: skip
        step = gr.Markdown(NOTHING)
        preview = gr.Image(label="Preview", interactive=False, format="png", buttons=["fullscreen"])
        about = gr.Markdown()
        table = gr.Dataframe(headers=list(SCORES), interactive=False, label="Newest evaluation", wrap=True)
        scores = gr.Image(label="Scores while training", interactive=False, format="png", buttons=["fullscreen"])
        stamp = gr.State(None, time_to_live=SECONDS)

    @said
    def look(run: str, before: Stamp | None) -> Any:
        now = does.stamp(run)
        if now == before:
            return [gr.skip()] * 9
        shown = does.shown(run)
        last = len(shown.previews) - 1
        slide = gr.Slider(maximum=max(1, last), value=max(0, last), interactive=last > 0)
        return (
            shown.status, shown.loss, slide, shown.about, shown.table, shown.scores, now, *does.preview(run, last)
        )  # fmt: skip

    @said
    def slid(run: str, number: float) -> Any:
        return does.preview(run, number)

    outputs = [status, loss, slider, about, table, scores, stamp, preview, step]
    for event in (*starts, run.change):
        event(look, [run, stamp], outputs, api_name=False, **QUICK)
    slider.release(slid, [run, slider], [preview, step], api_name=False, **QUICK)
