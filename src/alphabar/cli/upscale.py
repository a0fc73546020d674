"""`alphabar upscale`: small images enlarged by an upsampler."""

from pathlib import Path
from typing import Annotated

import typer

from alphabar import names
from alphabar.cli import options as o
from alphabar.cli import sampled


def upscale(
    run: o.Run,
    small: Annotated[
        list[Path], typer.Argument(metavar="IMAGES...", help="Image files, or folders of images or of samples.")
    ],
    seeds: Annotated[
        str | None,
        typer.Option(help="One for each image, as 0-63; several for one image give several versions of it."),
    ] = None,
    sampler: o.Sampler = None,
    steps: o.Steps = None,
    spacing: o.Spacing = None,
    eta: o.Eta = None,
    guidance: o.Guidance = None,
    label: Annotated[
        str | None, typer.Option("--class", help="The class of all, by number or name; each image's own if left out.")
    ] = None,
    weights: o.Weights = "ema",
    step: o.Step = None,
    batch_size: o.BatchSize = None,
    precision: o.Precision = None,
    resize: o.Resize = "none",
    film: Annotated[str, typer.Option(help=f"{names.listed((*names.FILM_FORMATS, 'none'))}.")] = "none",
    out: Annotated[Path | None, typer.Option(help="The folder of the images; one in the run if left out.")] = None,
    device: o.Device = "auto",
) -> None:
    """Enlarge small images with an upsampler: a network trained with network.low_resolution.

    The same command again makes only what is missing.
    """
    from alphabar import distributed
    from alphabar.api.model import load
    from alphabar.api.upscale import PAIRS
    from alphabar.api.upscale import upscale as enlarge
    from alphabar.sampling.folder import film_path

    images = enlarge(
        load(run, weights=weights, step=step, device=device), small,
        label=label, seeds=seeds, resize=resize, film=None if film == "none" else film, out=out,
        **o.sampling(sampler, steps, spacing, eta, guidance=guidance, batch_size=batch_size, precision=precision),
    )  # fmt: skip
    folder = images.folder
    if folder is not None and distributed.is_main():
        sampled.report(images, pairs=folder / PAIRS, film=None if film == "none" else film_path(folder, film))
