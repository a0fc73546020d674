"""The Edit tab."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from alphabar.app import live
from alphabar.app.edit import PAINTED, Editor, Order
from alphabar.app.failures import said
from alphabar.app.pickers import LANE, QUICK, option_form, run_and_class
from alphabar.app.uploads import canvas, upload
from alphabar.editing.pictures import MASKS
from alphabar.images import RESIZE_RULES


def edit_tab(does: Editor) -> None:
    """The picture and the form on the left; on the right what the model sees, to paint on, and the results."""
    with gr.Row():
        with gr.Column(scale=1, min_width=300):
            file = upload(label="Your picture", height=220, buttons=[])
            resize = gr.Radio(
                list(RESIZE_RULES), value="crop", label="Fit", info="How the picture is brought to the model's size."
            )
            choice = run_and_class(does.models, has_each=False)
            options = option_form(does.models, choice.run)
        with gr.Column(scale=2, min_width=320):
            layers = canvas(label="As the model sees it; paint white over what is to be sampled anew", buttons=[])
            with gr.Row():
                area = gr.Radio(
                    [PAINTED, *MASKS],
                    value=PAINTED,
                    label="Inpaint",
                    info="Which part is sampled anew to fit the rest.",
                )
                seeds = gr.Textbox("0-3", label="Seeds", max_lines=1, max_length=200, info="One result for each.")
            share = gr.Slider(
                0.05, 1.0, 0.5, step=0.05, label="How much noise", info="Vary: with more noise, less of it stays."
            )
            with gr.Row():
                buttons = [gr.Button(name) for name in ("Inpaint", "Vary", "Encode and decode")]
                stop = gr.Button("Stop", variant="stop")
            bar = gr.HTML()
            result = gr.Image(
                label="Result",
                interactive=False,
                format="png",
                buttons=["download", "fullscreen"],
                height=260,
                elem_classes=["titled", "pixels"],
            )

    see = [choice.run, file, resize]
    for event in (file.upload, file.change, choice.run.change, resize.change):
        event(said(does.seen), see, layers, api_name=False, **QUICK)

    order = [choice.run, choice.label, file, resize, *options.values()]
    count = len(order)

    def of(given: tuple[Any, ...]) -> Order:
        run, label, path, rule, *values = given[:count]
        return Order(run, label, path, rule, dict(zip(options, values, strict=True)))

    def inpaint(*given: Any) -> Iterator[Any]:
        yield from does.inpaint(of(given), *given[count:])

    def vary(*given: Any) -> Iterator[Any]:
        yield from does.vary(of(given), *given[count:])

    def encode(*given: Any) -> Iterator[Any]:
        yield from does.encode(of(given))

    more = {inpaint: [area, layers, seeds], vary: [share, seeds], encode: []}
    events = [
        button.click(
            said(work), [*order, *inputs], [bar, result], api_name=work.__name__, show_progress="hidden", **LANE
        )
        for button, (work, inputs) in zip(buttons, more.items(), strict=True)
    ]
    stop.click(lambda: live.message("Stopped."), outputs=bar, cancels=events, api_name=False, queue=False)
