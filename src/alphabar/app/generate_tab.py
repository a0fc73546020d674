"""The Generate tab."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from alphabar.app import forms, live
from alphabar.app.failures import said
from alphabar.app.generate import Generate
from alphabar.app.generated import Request
from alphabar.app.pickers import LANE, Pickers, pickers

SECONDS = 3600
"""How long a session's request is remembered."""


def generate_tab(does: Generate) -> None:
    """The form on the left; on the right the images, and below them what can be made of one."""
    with gr.Row():
        with gr.Column(scale=1, min_width=300):
            chosen = pickers(does.models, forms.names(), forms.FIRST)
            seeds = gr.Textbox(
                "0-15", label="Seeds", max_lines=1, max_length=200,
                info="One image for each. The same seed gives the same image. Write 0-15, or 3,7,20.",
            )  # fmt: skip
            with gr.Row():
                start = gr.Button("Generate", variant="primary")
                stop = gr.Button("Stop", variant="stop")
        with gr.Column(scale=3, min_width=320):
            shown = gr.HTML(live.message("Press Generate: the images appear out of noise, step by step."))
            gallery = gr.Gallery(
                label="Images", format="png", columns=8, height="auto", object_fit="contain", allow_preview=False,
                interactive=False, buttons=[],
            )  # fmt: skip
            request = gr.State(None, time_to_live=SECONDS)
            number = gr.State(0, time_to_live=SECONDS)
            one = _one(does, request, number)
    event = _sampling(does, chosen, seeds, [start.click, seeds.submit], [shown, gallery, request])
    stop.click(lambda: live.message("Stopped."), outputs=shown, cancels=[event], api_name=False, queue=False)

    @said
    def choose(request: Request | None, picked: gr.SelectData) -> Any:
        k = int(picked.index)
        title = does.images(request).title(k)
        return k, f"### {title[0].upper()}{title[1:]}", gr.update(value=does.png(request, k), interactive=True)

    gallery.select(choose, request, [number, *one], api_name=False, **LANE)


def _sampling(
    does: Generate, chosen: Pickers, seeds: gr.Textbox, triggers: list[Any], outputs: list[Any]
) -> gr.events.Dependency:
    @said
    def generate(run: str, label: str, seeds: str, *options: Any) -> Iterator[Any]:
        wanted = Request.of(does.models.model(run), run, label, seeds, chosen.values(options))
        yield live.bar("Waiting for the model.", 0), [], None
        for text, images in does.sample(wanted):
            yield text, *((gr.skip(), gr.skip()) if images is None else (images.shown(), wanted))

    inputs = [chosen.run, chosen.label, seeds, *chosen.options.values()]
    return gr.on(triggers, generate, inputs, outputs, api_name="generate", show_progress="hidden", **LANE)


def _one(does: Generate, request: gr.State, number: gr.State) -> tuple[gr.Markdown, gr.DownloadButton]:
    """What can be made of the image that was clicked."""
    title = gr.Markdown("### Click an image")
    with gr.Row(equal_height=True):
        download = gr.DownloadButton("Download PNG", interactive=False)
        film = gr.Button("Film")
        vary = gr.Button("Vary")
        between = gr.Button("Interpolate")
        stop = gr.Button("Stop", variant="stop")
    with gr.Row():
        share = gr.Slider(
            0.05, 1.0, 0.5, step=0.05, label="How much noise",
            info="Vary and Interpolate: with more noise, less of the image stays.",
        )  # fmt: skip
        seed = gr.Number(
            1, precision=0, minimum=0, label="Interpolate with seed", info="The image of this seed is the other end."
        )
    bar = gr.HTML()
    result = gr.Image(
        label="Made of it", interactive=False, format="png", buttons=["download", "fullscreen"], height=420
    )

    def event(button: gr.Button, work: Any, name: str, *more: Any) -> gr.events.Dependency:
        return button.click(
            said(work), [request, number, *more], [bar, result], api_name=name, show_progress="hidden", **LANE
        )

    events = [
        event(film, does.film, "film"), event(vary, does.vary, "vary_image", share),
        event(between, does.interpolate, "interpolate", seed, share),
    ]  # fmt: skip
    stop.click(lambda: live.message("Stopped."), outputs=bar, cancels=events, api_name=False, queue=False)
    return title, download
