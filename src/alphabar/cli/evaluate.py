"""`alphabar evaluate`: how good the images are, and how sure that is."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alphabar import names
from alphabar.cli import options as o
from alphabar.terminal import console, say

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType


def evaluate(
    subject: o.Subject,
    reference: Annotated[
        str | None,
        typer.Option(help="A data set, a folder, an .npz of images, or of mu and sigma; a run's own data if left out."),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            help=f"{names.listed((*names.METRICS, 'memorisation'))}, with commas between several; all that can be "
            "measured if left out."
        ),
    ] = None,
    features: o.Features = "auto",
    count: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="How many images; if left out, all of a folder, and of a run as many as the reference has, from 500 "
            "to 10,000.",
        ),
    ] = None,
    extractor_weights: o.ExtractorWeights = None,
    bpd: Annotated[
        str | None,
        typer.Option(
            help="Bits per dimension of a run's test split instead: bound (--bpd alone), continuous (T → ∞) or ode.",
            metavar="[bound|continuous|ode]",
        ),
    ] = None,
    decoder: Annotated[
        str, typer.Option(help="For --bpd: exact, or reference for the published approximation.")
    ] = "exact",
    split: Annotated[
        str | None,
        typer.Option(help="The split of the reference, train or test; train, or the one trained on, if left out."),
    ] = None,
    image_size: o.ImageSize = None,
    resize: Annotated[
        str | None,
        typer.Option(help=f"{names.listed(('none', *names.RESIZE_RULES))}; that of the run, or none, if left out."),
    ] = None,
    background: Annotated[
        str | None,
        typer.Option(
            help="The colour behind transparency and around padding: white, #fff or R,G,B; the run's, or black, "
            "if left out."
        ),
    ] = None,
    white: o.White = None,
    data: o.Data = None,
    data_root: o.DataRoot = None,
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
    out: Annotated[
        Path | None, typer.Option(help="A folder for evaluations.jsonl and neighbours.png; the run if left out.")
    ] = None,
    statistics: Annotated[Path | None, typer.Option(help="Write mu and sigma of SUBJECT to this .npz.")] = None,
    device: o.Device = "auto",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the row as JSON to stdout also on a terminal.")
    ] = False,
) -> None:
    """Measure images against real ones: a table on stderr; on stdout one JSON row, if it is piped.

    A run is sampled first, into the folder that `alphabar sample` would use. Existing images and features are used
    again, so that an interrupted evaluation resumes. Under torchrun the processes share the work.
    """
    from alphabar import evaluation
    from alphabar.api import evaluate as measuring
    from alphabar.errors import AlphabarError

    options = o.sampling(
        sampler,
        steps,
        spacing,
        eta,
        order,
        churn,
        variance,
        guidance,
        guidance_interval,
        guidance_rescale,
        batch_size,
        precision,
    )
    if bpd is None:
        row = measuring.evaluate(
            subject, reference=reference, metrics=metrics,
            features=features, count=count, extractor_weights=extractor_weights, split=split,
            image_size=o.parsed_size(image_size), resize=resize, background=background, white=white, data=data,
            data_root=data_root, seeds=seeds,
            label=label, weights=weights, step=step, out=out, statistics=statistics, device=device, **options,
        )  # fmt: skip
        _say(row, evaluation.report, as_json)
        return
    unused = o.given(
        reference=reference, metrics=metrics, features=None if features == "auto" else features, seeds=seeds,
        extractor_weights=extractor_weights, image_size=image_size, resize=resize, background=background,
        white=white, statistics=statistics,
    )  # fmt: skip
    unused |= o.given(**{"class": label}) | {
        name: 1 for name in options if name not in ("steps", "spacing", "batch_size")
    }
    if unused:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in unused)
        raise AlphabarError(f"--bpd measures the likelihood of real images, and samples nothing; leave out {flags}.")
    bits = measuring.bits_per_dim(
        subject, kind=bpd, split=split or "test", count=count, steps=steps, spacing=spacing, decoder=decoder,
        weights=weights, step=step, batch_size=batch_size, data=data, data_root=data_root, out=out, device=device,
    )  # fmt: skip
    _say(bits, evaluation.bits_report, as_json)


def with_kind(args: list[str]) -> list[str]:
    """`--bpd` alone means `--bpd bound`, which typer has no way to declare."""
    return [
        word
        for arg, following in zip(args, [*args[1:], ""], strict=True)
        for word in ([arg, "bound"] if arg == "--bpd" and following not in names.LIKELIHOODS else [arg])
    ]


def _say(row: dict[str, Any], report: "Callable[[dict[str, Any]], RenderableType]", as_json: bool) -> None:
    from alphabar import distributed

    if distributed.is_main():
        console(error=True).print(report(row))
        if as_json or not sys.stdout.isatty():
            say(json.dumps(row))
