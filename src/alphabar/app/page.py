"""The page: its tabs."""

import gradio as gr

from alphabar.app import live
from alphabar.app.edit import Editor
from alphabar.app.edit_tab import edit_tab
from alphabar.app.generate import Generate
from alphabar.app.generate_tab import generate_tab
from alphabar.app.generated import Album
from alphabar.app.likelihood import Likelihood
from alphabar.app.likelihood_tab import likelihood_tab
from alphabar.app.offered import Models
from alphabar.app.runs_tab import runs_tab
from alphabar.app.shelf import Shelf
from alphabar.app.watch import Watch

WAITING = 32
"""Jobs that wait at most; a further one is told to come back."""
_CLEAN = (600, 3600)
"""Seconds between two clean-ups of Gradio's files, and the age at which they go."""


def page(models: Models, shelf: Shelf) -> gr.Blocks:
    """The blocks of the page, ready to be launched."""
    with gr.Blocks(analytics_enabled=False, title="alphabar", delete_cache=_CLEAN, fill_width=True) as blocks:
        gr.Markdown(
            "# alphabar\nA diffusion model starts from pure noise and removes a little of it at each step, "
            "until an image is left."
        )
        with gr.Tab("Generate", id="generate"):
            generate_tab(Generate(models, shelf, Album()))
        with gr.Tab("Edit", id="edit"):
            edit_tab(Editor(models))
        with gr.Tab("Runs", id="runs"):
            runs_tab(Watch(models, shelf), blocks)
        with gr.Tab("Likelihood", id="likelihood"):
            likelihood_tab(Likelihood(models, shelf))
    return blocks.queue(max_size=WAITING, default_concurrency_limit=1, api_open=False)


def look() -> dict[str, object]:
    """How the page looks: fonts of the reader's system, no style or script of another host."""
    font = ("sans-serif",)
    theme = gr.themes.Default(font=font, font_mono=("monospace",)).set(
        block_info_text_color="*neutral_600", block_info_text_color_dark="*neutral_300"
    )
    return {"theme": theme, "css": live.STYLE}
