"""The options that several commands share, so that they mean the same everywhere."""

from pathlib import Path
from typing import Annotated

import typer

Seeds = Annotated[str | None, typer.Option(help="Which images: 0-63,100. Image k depends on seed k alone.")]
Sampler = Annotated[str | None, typer.Option(help="ddpm or ddim; the recipe's if left out.")]
Steps = Annotated[
    str | None, typer.Option(help="Network calls per image, up to T; or a respacing: 10,15,20, ddim50, t:1,5,9.")
]
Spacing = Annotated[str | None, typer.Option(help="Which timesteps: uniform, trailing, leading, quadratic.")]
Eta = Annotated[float | None, typer.Option(help="DDIM's noise: 0 none, 1 as much as DDPM.")]
Label = Annotated[str | None, typer.Option("--class", help="The class to draw, by number or name.")]
Weights = Annotated[str, typer.Option(help="ema, raw, or ema-RATE.")]
Step = Annotated[
    str | None, typer.Option(help="The checkpoint of this training step, or 'best'; the newest if left out.")
]
BatchSize = Annotated[int | None, typer.Option(min=1, help="Images at a time.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps or auto.")]
ImageSize = Annotated[str | None, typer.Option(help="N or HxW, as data.image_size.")]
Resize = Annotated[str, typer.Option(help="none, crop, pad or stretch, as data.resize.")]
DataRoot = Annotated[Path | None, typer.Option(help="Where a published data set's files lie.")]


def parsed_size(text: str | None) -> tuple[int, int] | None:
    """ "32" -> (32, 32), "48x64" -> (48, 64): height, then width."""
    from alphabar.errors import AlphabarError

    if text is None:
        return None
    height, cross, width = text.partition("x")
    if not height.isascii() or not height.isdigit() or (cross and not (width.isascii() and width.isdigit())):
        raise AlphabarError(f"--image-size must be a number or HEIGHTxWIDTH, such as 32 or 48x64; got '{text}'.")
    return int(height), int(width or height)


def given(**options: object) -> dict[str, object]:
    """Those that were."""
    return {name: value for name, value in options.items() if value is not None}
