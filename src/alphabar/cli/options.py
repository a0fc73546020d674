"""The options that several commands share, so that they mean the same everywhere."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alphabar import names
from alphabar.errors import AlphabarError

if TYPE_CHECKING:
    from alphabar.api.options import Options

_RUN = "A run directory, one checkpoint in it, or a bundled model: fashion-mnist, fashion-mnist-likelihood, emoji."
Run = Annotated[Path, typer.Argument(metavar="RUN", help=_RUN)]
Runs = Annotated[list[Path], typer.Argument(metavar="RUN...", help="One or more: " + _RUN[0].lower() + _RUN[1:])]
Subject = Annotated[Path, typer.Argument(help="A run, a checkpoint, a bundled model, a folder of images, or an .npz.")]
Seeds = Annotated[
    str | None, typer.Option(help="The seeds of the images: 0-63,100. An image depends on its seed only.")
]
Sampler = Annotated[str | None, typer.Option(help=f"{names.listed(names.SAMPLERS)}; the recipe's if left out.")]
Steps = Annotated[
    str | None,
    typer.Option(help="Number of steps, the sampler's default if left out; or a respacing: 10,15,20, ddim50, t:1,5,9."),
]
Spacing = Annotated[
    str | None,
    typer.Option(help=f"Which timesteps: {names.listed(names.EVERY_SPACING)}; the sampler's default if left out."),
]
Eta = Annotated[float | None, typer.Option(help="Noise of ddim, dpmpp_2m and the SDE samplers: 0 none, 1 all.")]
Order = Annotated[int | None, typer.Option(help="The order of unipc: 1, 2 or 3.")]
Churn = Annotated[float | None, typer.Option(help="EDM's S_churn, for euler and heun.")]
Variance = Annotated[
    str | None,
    typer.Option(help="The variance of ddpm's steps: model, fixed_small, fixed_large, or analytic (measured once)."),
]
Guidance = Annotated[
    float | None,
    typer.Option(help="Scale of classifier-free guidance, for networks trained with label dropout; 1 is off."),
]
GuidanceInterval = Annotated[
    str | None, typer.Option(help="Guide from t = A to t = B only, for example 200-700.", metavar="A-B")
]
GuidanceRescale = Annotated[
    float | None, typer.Option(help="0 to 1: how far the contrast that guidance adds is scaled back.")
]
Precision = Annotated[
    str | None, typer.Option(help="fp32, bf16, or auto, the faster of the two here; the recipe's if left out.")
]
Label = Annotated[str | None, typer.Option("--class", help="The class to sample, by number or name, or none.")]
Weights = Annotated[str, typer.Option(help="ema (the averaged weights), raw (not averaged), or ema-RATE.")]
Step = Annotated[
    str | None, typer.Option(help="The checkpoint of this training step, or 'best'; the newest if left out.")
]
BatchSize = Annotated[int | None, typer.Option(min=1, help="Images at a time.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps or auto.")]
ImageSize = Annotated[str | None, typer.Option(help="N or HxW; see data.image_size.")]
Resize = Annotated[str, typer.Option(help=f"{names.listed(('none', *names.RESIZE_RULES))}; see data.resize.")]
White = Annotated[
    float | None, typer.Option(help="The stored level that is white, such as 4095; see the setting data.white.")
]
Data = Annotated[Path | None, typer.Option(help="The images that the run was trained on, if they were moved.")]
DataRoot = Annotated[Path | None, typer.Option(help="The folder of a published data set's files, if not in the cache.")]
Features = Annotated[
    str,
    typer.Option(
        help=f"{names.listed(names.EXTRACTORS)}; auto: fashion-cnn for Fashion-MNIST, else "
        "inception, or efficientnet-lite0 without its weights."
    ),
]
ExtractorWeights = Annotated[
    Path | None, typer.Option(help="The file of the extractor's weights, if not in the cache.")
]


def parsed_size(text: str | None) -> tuple[int, int] | None:
    """ "32" -> (32, 32), "48x64" -> (48, 64): height, then width."""
    if text is None:
        return None
    height, cross, width = text.partition("x")
    if not height.isascii() or not height.isdigit() or (cross and not (width.isascii() and width.isdigit())):
        raise AlphabarError(f"--image-size must be a number or HEIGHTxWIDTH, such as 32 or 48x64; got '{text}'.")
    return int(height), int(width or height)


def given(**options: object) -> dict[str, object]:
    """The options that were set."""
    return {name: value for name, value in options.items() if value is not None}


def sampling(
    sampler: str | None = None,
    steps: str | None = None,
    spacing: str | None = None,
    eta: float | None = None,
    order: int | None = None,
    churn: float | None = None,
    variance: str | None = None,
    guidance: float | None = None,
    guidance_interval: str | None = None,
    guidance_rescale: float | None = None,
    batch_size: int | None = None,
    precision: str | None = None,
) -> "Options":
    """The options of sampling, as `alphabar.Options`."""
    options: dict[str, Any] = given(
        sampler=sampler, steps=steps, spacing=spacing, eta=eta, order=order, churn=churn, variance=variance,
        guidance=guidance, guidance_interval=guidance_interval, guidance_rescale=guidance_rescale,
        batch_size=batch_size, precision=precision,
    )  # fmt: skip
    return options  # type: ignore[return-value]  # the keys are those of Options
