"""Pictures that people upload or paint. Gradio passes on their files unread: `alphabar.images` alone opens them."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from alphabar.app.painting import CANVAS

LARGEST = "20mb"
"""The largest upload."""
_NOT_A_FILE = "A picture has to be uploaded as a file; addresses are not fetched."


def upload(**more: Any) -> gr.Image:
    """A picture to be uploaded; an event gets the path of its file, or None."""
    made = gr.Image(type="filepath", sources=["upload", "clipboard"], image_mode=None, **more)
    return _unread(made, lambda payload: None if payload is None else _file(payload))


def canvas(**more: Any) -> gr.ImageEditor:
    """A picture to paint on; an event gets the paths of the painted layers, bottom first."""
    brush = gr.Brush(default_size=24, colors=["#ffffff"], color_mode="fixed")
    made = gr.ImageEditor(
        type="filepath", sources=[], transforms=[], layers=False, brush=brush, canvas_size=(CANVAS, CANVAS),
        format="png", **more,
    )  # fmt: skip
    return _unread(made, lambda payload: [_file(layer) for layer in (payload.layers if payload else ()) if layer])


def _unread(component: Any, preprocess: Callable[[Any], Any]) -> Any:
    """The component, of which an event gets `preprocess(what the browser sent)`, and which fetches no address.

    It is changed in place: Gradio writes an interface file beside the source of a derived component.
    """
    move = component.async_move_resource_to_block_cache

    async def moved(place: Any) -> Any:
        if "://" in str(place):
            raise gr.Error(_NOT_A_FILE, print_exception=False)
        return await move(place)

    component.async_move_resource_to_block_cache, component.preprocess = moved, preprocess
    return component


def _file(payload: Any) -> str:
    if payload.path is None or (payload.url or "").startswith("data:"):
        raise gr.Error(_NOT_A_FILE, print_exception=False)
    return str(payload.path)
