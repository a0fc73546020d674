"""`alphabar sample`: images from a run."""

from pathlib import Path
from typing import Annotated

import typer

from alphabar import names
from alphabar.cli import options as o
from alphabar.cli import sampled


def sample(
    run: o.Run,
    num: Annotated[int | None, typer.Option(min=1, help="How many images: seeds 0 to NUM - 1.")] = None,
    seeds: o.Seeds = None,
    sampler: o.Sampler = None,
    steps: o.Steps = None,
    spacing: o.Spacing = None,
    eta: o.Eta = None,
    order: o.Order = None,
    churn: o.Churn = None,
    variance: o.Variance = None,
    guidance: o.Guidance = None,
    guidance_interval: o.GuidanceInterval = None,
    guidance_rescale: o.GuidanceRescale = None,
    label: o.Label = None,
    weights: o.Weights = "ema",
    step: o.Step = None,
    batch_size: o.BatchSize = None,
    precision: o.Precision = None,
    data: o.Data = None,
    data_root: o.DataRoot = None,
    film: Annotated[
        str, typer.Option(help=f"{names.listed((*names.FILM_FORMATS, 'none'))}; webp loses nothing, mp4 needs ffmpeg.")
    ] = "gif",
    out: Annotated[Path | None, typer.Option(help="The folder of the images; one in the run if left out.")] = None,
    device: o.Device = "auto",
    backend: Annotated[
        str,
        typer.Option(
            help=f"What computes the network: {names.listed(names.BACKENDS)} (on the CPU; the extras onnx, openvino)."
        ),
    ] = "torch",
) -> None:
    """Sample images: PNGs, a grid, an .npz, and a film of the reverse process.

    The same command again samples only what is missing. Under torchrun the processes share the work.
    """
    from alphabar import distributed
    from alphabar.api.model import load
    from alphabar.api.sample import sample as sample_to_folder
    from alphabar.sampling.backends import device as device_of
    from alphabar.sampling.folder import GRID, film_path

    model = load(run, weights=weights, step=step, device=device_of(backend, device), data=data, data_root=data_root)
    images = sample_to_folder(
        model, num, label=label, seeds=seeds,
        film=None if film == "none" else film, out=out, backend=backend,
        **o.sampling(
            sampler, steps, spacing, eta, order, churn, variance, guidance, guidance_interval, guidance_rescale,
            batch_size, precision,
        ),
    )  # fmt: skip
    folder = images.folder
    if folder is not None and distributed.is_main():
        sampled.report(images, grid=folder / GRID, film=None if film == "none" else film_path(folder, film))
