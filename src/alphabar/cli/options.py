"""The options that several commands share, so that they mean the same everywhere."""

from pathlib import Path
from typing import Annotated

import typer

_RUN = "A run directory, one checkpoint in it, or a model that ships with alphabar: fashion-mnist."
Run = Annotated[Path, typer.Argument(metavar="RUN", help=_RUN)]
Runs = Annotated[list[Path], typer.Argument(metavar="RUN...", help="One or more: " + _RUN[0].lower() + _RUN[1:])]
Subject = Annotated[
    Path, typer.Argument(help="A run, a checkpoint, a model that ships, a folder of images, or an .npz.")
]
Seeds = Annotated[str | None, typer.Option(help="Which images: 0-63,100. Image k depends on seed k alone.")]
Sampler = Annotated[
    str | None,
    typer.Option(
        help="ddpm, ddim, euler, heun, dpmpp_2m, dpmpp_2s, dpmpp_2m_sde, dpmpp_3m_sde, unipc or pndm; the recipe's if "
        "left out."
    ),
]
Steps = Annotated[
    str | None,
    typer.Option(help="Up to T, the sampler's usual number if left out; or a respacing: 10,15,20, ddim50, t:1,5,9."),
]
Spacing = Annotated[
    str | None,
    typer.Option(
        help="Which timesteps: uniform, trailing, leading, quadratic, half_log_snr, karras; the sampler's if left out."
    ),
]
Eta = Annotated[float | None, typer.Option(help="Noise of ddim and the SDE samplers: 0 none, 1 all.")]
Order = Annotated[int | None, typer.Option(help="Of unipc: 1, 2 or 3.")]
Churn = Annotated[float | None, typer.Option(help="EDM's S_churn, of euler and heun.")]
Variance = Annotated[
    str | None, typer.Option(help="Of ddpm's steps: model, fixed_small, fixed_large, or analytic, measured once.")
]
Guidance = Annotated[
    float | None, typer.Option(help="Classifier-free guidance, of networks with label dropout: 1 is off.")
]
GuidanceInterval = Annotated[
    str | None, typer.Option(help="Guide from t = A to t = B only, A-B in 1-T.", metavar="A-B")
]
GuidanceRescale = Annotated[
    float | None, typer.Option(help="0 to 1: how far the contrast that guidance adds is taken back.")
]
Label = Annotated[str | None, typer.Option("--class", help="The class to draw, by number or name, or none.")]
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


def parsed_interval(text: str | None) -> tuple[int, int] | None:
    """ "1-400" -> (1, 400)."""
    from alphabar.errors import AlphabarError

    if text is None:
        return None
    first, dash, last = text.partition("-")
    if not (dash and first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last)):
        raise AlphabarError(f"--guidance-interval must be two timesteps, as 1-400, the smaller first; got '{text}'.")
    return int(first), int(last)


def given(**options: object) -> dict[str, object]:
    """Those that were."""
    return {name: value for name, value in options.items() if value is not None}
