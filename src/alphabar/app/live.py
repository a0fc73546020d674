"""What is shown while images are sampled: pictures inside the page itself, so that frames leave no files behind."""

import base64
import html
import io

from torch import Tensor

from alphabar import images
from alphabar.diffusion import Step

TILE = 64
"""Pixels to which large images are shrunk in a frame."""
STYLE = """
.live { display: flex; flex-wrap: wrap; gap: 1em; align-items: start }
.live figure { margin: 0; flex: 1 1 14em; max-width: 34em }
.live img { width: 100%; image-rendering: pixelated }
.progress { display: flex; gap: 1em; align-items: center }
.titled .image-container, .titled .image-frame { padding-top: 1.2em }
.pixels img { image-rendering: pixelated }
.pixels .grid-wrap { min-height: 0; max-height: none; height: auto }
.progress progress { flex: 1; min-width: 8em; accent-color: var(--color-accent) }
"""


def address(image: Tensor) -> str:
    """uint8 (C, H, W) as a data: address, PNG."""
    file = io.BytesIO()
    images.to_pil(image).save(file, format="PNG", compress_level=1)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def bar(text: str, done: float | None = None) -> str:
    """A bar with its text. done: a share of 1; None shows only that something is going on."""
    value = "" if done is None else f' value="{min(done, 1.0):.4f}"'
    return f'<div class="progress" role="status"><progress{value}></progress><span>{html.escape(text)}</span></div>'


def message(text: str) -> str:
    """A line of text in the place of the bar."""
    return f'<p role="status">{html.escape(text)}</p>' if text else ""


def frame(step: Step, text: str, done: float) -> str:
    """The bar, the noisy images x_t, and the estimate of the final images."""
    halves = [
        ("What the chain holds: x<sub>t</sub>", "the noisy images", step.x),
        ("What the network expects: x̂<sub>0</sub>", "the estimate of the final images", step.x0),
    ]
    figures = "".join(
        f'<figure><figcaption>{title}</figcaption><img alt="{alt}" src="{_sheet(x)}"></figure>'
        for title, alt, x in halves
    )
    return f'{bar(text, done)}<div class="live">{figures}</div>'


def _sheet(x: Tensor) -> str:
    height, width = x.shape[2:]
    share = min(1.0, TILE / max(height, width))
    size = (max(1, round(height * share)), max(1, round(width * share)))
    return address(images.sheet(images.to_uint8(images.smaller(x, size)).cpu()))
