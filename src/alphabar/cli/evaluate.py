"""`alphabar evaluate`: how good the images are, and how sure that is."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alphabar.cli import options as o
from alphabar.cli.console import console

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
        typer.Option(help="Of fd, kid, is, pr, coverage, classes, memorisation; all that can be measured if left out."),
    ] = None,
    features: Annotated[
        str, typer.Option(help="inception, efficientnet-lite0, fashion-cnn; auto: inception, but for Fashion-MNIST.")
    ] = "auto",
    count: Annotated[
        int | None, typer.Option(min=2, help="Images; 10,000 of a run, all of a folder, if left out.")
    ] = None,
    extractor_weights: Annotated[
        Path | None, typer.Option(help="The weights of the extractor, if not fetched.")
    ] = None,
    bpd: Annotated[
        str | None,
        typer.Option(
            help="Bits per dimension of a run's test split instead: bound (--bpd alone) or ode.", metavar="[bound|ode]"
        ),
    ] = None,
    decoder: Annotated[
        str, typer.Option(help="Of --bpd: exact, or reference for the published approximation.")
    ] = "exact",
    split: Annotated[
        str | None, typer.Option(help="Of the reference: train or test; train, or as it was trained, if left out.")
    ] = None,
    image_size: o.ImageSize = None,
    resize: o.Resize = "none",
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
    out: Annotated[
        Path | None, typer.Option(help="A folder for evaluations.jsonl and neighbours.png; the run if left out.")
    ] = None,
    statistics: Annotated[Path | None, typer.Option(help="Write mu and sigma of SUBJECT to this .npz.")] = None,
    device: o.Device = "auto",
) -> None:
    """Measure images against real ones: one JSON row on stdout, a table on stderr.

    A run's images are drawn first, into the folder that `alphabar sample` would use; images and features that are there
    are not made again, so an interrupted evaluation goes on. Under torchrun the processes share the work.
    """
    from alphabar import build, distributed, evaluation
    from alphabar.errors import AlphabarError

    drawing = o.given(
        seeds=seeds, label=label, step=step, weights=None if weights == "ema" else weights,
        sampler=sampler, steps=steps, spacing=spacing, eta=eta, order=order, churn=churn, variance=variance,
        guidance_scale=guidance, guidance_interval=o.parsed_interval(guidance_interval),
        guidance_rescale=guidance_rescale, batch_size=batch_size,
    )  # fmt: skip
    if bpd is not None:
        unused = o.given(
            reference=reference, metrics=metrics, features=None if features == "auto" else features, seeds=seeds,
            extractor_weights=extractor_weights, image_size=image_size, sampler=sampler, spacing=spacing, eta=eta,
            order=order, churn=churn, variance=variance, guidance=guidance, guidance_interval=guidance_interval,
            guidance_rescale=guidance_rescale, resize=None if resize == "none" else resize, label=label,
            statistics=statistics,
        )  # fmt: skip
        if unused:
            flags = ", ".join(f"--{name.replace('_', '-')}" for name in unused)
            raise AlphabarError(f"--bpd looks at the data, and draws nothing; leave out {flags}.")
        bits = evaluation.BitsRequest(
            run=subject, kind=bpd, split=split or "test", count=count, steps=steps,
            decoder=decoder, weights=weights, step=step, batch_size=batch_size, data_root=data_root, out=out,
        )  # fmt: skip
        with distributed.session():
            _say(evaluation.bits_per_dim(bits, build.device(device)), evaluation.bits_report)
        return
    request = evaluation.Request(
        subject=subject,
        reference=reference,
        metrics=None if metrics is None else [name.strip() for name in metrics.split(",")],
        features=features,
        extractor_weights=extractor_weights,
        count=count,
        split=split,
        image_size=o.parsed_size(image_size),
        resize=resize,
        data_root=data_root,
        drawing=drawing,
        out=out,
        statistics=statistics,
    )
    with distributed.session():
        _say(evaluation.evaluate(request, build.device(device)), evaluation.report)


def with_kind(args: list[str]) -> list[str]:
    """`--bpd` alone means `--bpd bound`, which typer cannot say."""
    kinds = ("bound", "ode")
    return [
        word
        for arg, following in zip(args, [*args[1:], ""], strict=True)
        for word in ([arg, "bound"] if arg == "--bpd" and following not in kinds else [arg])
    ]


def _say(row: dict[str, Any], report: "Callable[[dict[str, Any]], RenderableType]") -> None:
    from alphabar import distributed

    if distributed.is_main():
        console().print(report(row))
        typer.echo(json.dumps(row))
