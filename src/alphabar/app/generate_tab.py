"""The Generate tab."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from alphabar.app import live
from alphabar.app.failures import said
from alphabar.app.generate import Generate
from alphabar.app.generated import Request
from alphabar.app.pickers import LANE, option_form, run_and_class

SECONDS = 3600
"""How long a session's request is remembered."""


def generate_tab(does: Generate) -> None:
    """The form on the left; on the right the images, and below them what can be made of one."""
    with gr.Row():
        with gr.Column(scale=1, min_width=300):
            choice = run_and_class(does.models)
            seeds = gr.Textbox(
                "0-15", label="Seeds", max_lines=1, max_length=200,
                info="One image for each; the same seed gives the same image. Write 0-15, or 3,7,20.",
            )  # fmt: skip
            with gr.Row():
                start = gr.Button("Generate", variant="primary", min_width=120)
                stop = gr.Button("Stop", variant="stop", min_width=80)
            options = option_form(does.models, choice.run)
        with gr.Column(scale=3, min_width=320):
            shown = gr.HTML(live.message("Press Generate: the images appear out of noise, step by step."))
            gallery = gr.Gallery(
                label="Images", show_label=False, format="png", columns=8, object_fit="contain", allow_preview=False,
                interactive=False, buttons=[], visible=False, elem_classes="pixels",
            )  # fmt: skip
            request = gr.State(None, time_to_live=SECONDS)
            number = gr.State(0, time_to_live=SECONDS)
            one = _one(does, request, number)

    @said
    def generate(run: str, label: str, seeds: str, *values: Any) -> Iterator[Any]:
        wanted = Request.of(does.models.model(run), run, label, seeds, dict(zip(options, values, strict=True)))
        yield live.bar("Preparing.", 0), gr.Gallery([], visible=False), None, gr.Column(visible=False)
        for text, images in does.sample(wanted):
            more = (gr.skip(), gr.skip()) if images is None else (gr.Gallery(images.shown(), visible=True), wanted)
            yield text, *more, gr.skip()

    event = gr.on(
        [start.click, seeds.submit], generate, [choice.run, choice.label, seeds, *options.values()],
        [shown, gallery, request, one.panel], api_name="generate", show_progress="hidden", **LANE,
    )  # fmt: skip
    stop.click(lambda: live.message("Stopped."), outputs=shown, cancels=[event], api_name=False, queue=False)

    @said
    def choose(request: Request | None, picked: gr.SelectData) -> Any:
        k = int(picked.index)
        title = does.images(request).title(k)
        png = gr.DownloadButton(value=does.png(request, k))
        return k, f"### {title[0].upper()}{title[1:]}", png, gr.Column(visible=True)

    gallery.select(choose, request, [number, one.title, one.download, one.panel], api_name=False, **LANE)


@dataclass(frozen=True)
class One:
    """The part of the tab about the image that was clicked."""

    panel: gr.Column
    title: gr.Markdown
    download: gr.DownloadButton


def _one(does: Generate, request: gr.State, number: gr.State) -> One:
    """What can be made of the image that was clicked."""
    with gr.Column(visible=False) as panel:
        title = gr.Markdown()
        with gr.Row():
            download = gr.DownloadButton("Download PNG", size="md")
            film = gr.Button("Film", size="md")
            vary = gr.Button("Vary", size="md")
            between = gr.Button("Interpolate", size="md")
            stop = gr.Button("Stop", variant="stop", size="md")
        with gr.Row():
            share = gr.Slider(
                0.05, 1.0, 0.5, step=0.05, label="How much noise",
                info="Vary and Interpolate: with more noise, less of the image stays.",
            )  # fmt: skip
            seed = gr.Number(
                1, precision=0, minimum=0, label="Interpolate with seed",
                info="The image of this seed is the other end.",
            )  # fmt: skip
        bar = gr.HTML()
        result = gr.Image(
            label="Made of it", interactive=False, format="png", buttons=["download", "fullscreen"], height=260,
            elem_classes=["titled", "pixels"],
        )  # fmt: skip

    def event(button: gr.Button, work: Any, name: str, *more: Any) -> Any:
        return button.click(
            said(work), [request, number, *more], [bar, result], api_name=name, show_progress="hidden", **LANE
        )

    events = [
        event(film, does.film, "film"), event(vary, does.vary, "vary_image", share),
        event(between, does.interpolate, "interpolate", seed, share),
    ]  # fmt: skip
    stop.click(lambda: live.message("Stopped."), outputs=bar, cancels=events, api_name=False, queue=False)
    return One(panel, title, download)
