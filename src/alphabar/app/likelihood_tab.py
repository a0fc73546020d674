"""The Likelihood tab."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from alphabar.app import live
from alphabar.app.failures import said
from alphabar.app.likelihood import MOST, Bits, Likelihood
from alphabar.app.pickers import LANE, QUICK, run_picker
from alphabar.app.watch import NO_RUN
from alphabar.data import SPLITS
from alphabar.evaluation.report import BITS


def likelihood_tab(does: Likelihood) -> None:
    """The runs and what to measure on the left; the curves and the table on the right."""
    gr.Markdown("How many bits the model needs to store an image without loss: fewer bits mean a better model.")
    with gr.Row():
        with gr.Column(scale=1, min_width=300):
            run = run_picker(does.models)
            other = run_picker(does.models, "Compare with", (NO_RUN,))
            show = gr.Button("Show what was measured", variant="primary")
            count = gr.Slider(2, MOST, 8, step=1, label="Images", info="How many images to measure here.")
            split = gr.Radio(list(SPLITS), value=SPLITS[0], label="Split", info="Which images of the run's data.")
            steps = gr.Textbox(
                "100", label="Steps", max_lines=1, max_length=200,
                info="A shorter chain is faster and costs more bits; empty means all steps.",
            )  # fmt: skip
            with gr.Row():
                measure = gr.Button("Measure")
                stop = gr.Button("Stop", variant="stop")
            bar = gr.HTML()
        with gr.Column(scale=3, min_width=320):
            about = gr.Markdown("Nothing is shown yet.")
            table = gr.Dataframe(headers=list(BITS), interactive=False, label="Bits per dimension", wrap=True)
            terms = gr.Image(
                label="Terms over t: where the bits go",
                interactive=False,
                format="png",
                buttons=["fullscreen"],
                elem_classes="titled",
            )
            rate = gr.Image(
                label="Rate and distortion over the reverse process", interactive=False, format="png",
                buttons=["fullscreen"], elem_classes="titled",
            )  # fmt: skip
    outputs = [about, table, terms, rate]

    @said
    def stored(run: str, other: str) -> Any:
        return _shown(does.stored(run, other))

    @said
    def measured(*given: Any) -> Iterator[Any]:
        for text, bits in does.measure(*given):
            yield text, *([gr.skip()] * len(outputs) if bits is None else _shown(bits))

    show.click(stored, [run, other], outputs, api_name="likelihood", **QUICK)
    event = measure.click(
        measured, [run, count, split, steps], [bar, *outputs], api_name="measure", show_progress="hidden", **LANE
    )
    stop.click(lambda: live.message("Stopped."), outputs=bar, cancels=[event], api_name=False, queue=False)


def _shown(bits: Bits) -> list[Any]:
    return [bits.about, bits.table, bits.terms, bits.rate_distortion]
