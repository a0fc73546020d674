"""Pictures that people upload or paint. Gradio passes on their files unread: `alphabar.images` alone opens them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from alphabar.errors import AlphabarError
from alphabar.images import TooLargeError, opened

LARGEST = "20mb"
"""The largest upload."""
CANVAS = 512
"""The sides of the canvas to paint on are at most this many pixels."""
_NOT_A_FILE = "A picture has to be uploaded as a file; addresses are not fetched."
_MOST = 4 * 1024 * 1024
"""Pixels of a painted mask; the canvas, enlarged by a screen of high density, has fewer."""


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


def painted(layers: list[str], size: tuple[int, int]) -> Image.Image:
    """The mask of painted layers: grey, (H, W) = size, white where anything was painted.

    AlphabarError if nothing was, or a layer is no picture.
    """
    height, width = size
    mask = np.zeros((height, width), np.uint8)
    for layer in layers:
        try:
            with opened(Path(layer), ("PNG", "WEBP"), _MOST) as picture:
                alpha = picture.convert("RGBA").getchannel("A")
        except TooLargeError as error:
            raise AlphabarError(f"The painted mask is too large ({error} pixels).") from None
        except (OSError, SyntaxError, ValueError):
            raise AlphabarError("The painted mask is not a picture; paint it again.") from None
        mask = np.maximum(mask, np.asarray(alpha.resize((width, height), Image.Resampling.BOX)))
    if mask.max() <= 127:
        raise AlphabarError("Nothing is painted yet; paint over the part that is to be sampled anew.")
    return Image.fromarray(np.where(mask > 127, np.uint8(255), np.uint8(0)))
