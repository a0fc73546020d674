"""The figures of `alphabar plot` that sample: over steps and skipped steps, as a chain goes on, from one x_t."""

from typing import Annotated

import typer

from alphabar import names
from alphabar.cli import options as o
from alphabar.cli.plotting import Out, loaded, numbers, pipeline_of, place, save
from alphabar.errors import AlphabarError

NFE, BOUND_NFE = "5,8,10,15,20,50,100,250,1000", "10,25,50,100"
"""The network calls of the curves of `steps`, and of its bounds."""


def skipped(
    runs: o.Runs,
    count: Annotated[int, typer.Option(min=3, help="Images for each point.")] = 500,
    shares: Annotated[str, typer.Option(help="What to skip, in %, a point for each.")] = "0,5,10,15,20,25,30,40,50",
    sampler: o.Sampler = None,
    steps: o.Steps = None,
    eta: o.Eta = None,
    features: o.Features = "auto",
    extractor_weights: o.ExtractorWeights = None,
    weights: o.Weights = "ema",
    batch_size: o.BatchSize = None,
    data: o.Data = None,
    data_root: o.DataRoot = None,
    device: o.Device = "auto",
    out: Out = None,
) -> None:
    """FD if the first part of the reverse process is skipped, a curve per run (IDDPM Fig. 4)."""
    parts = [share / 100 for share in numbers("--shares", shares, float)]
    path = place("skipped", out)
    from alphabar import figures
    from alphabar.figures.against import Against

    how = o.sampling(sampler=sampler, steps=steps, eta=eta, batch_size=batch_size)
    models = [loaded(run, weights, None, device, data, data_root) for run in runs]
    pipelines = [pipeline_of(model, how, None) for model in models]
    save(figures.skipped(pipelines, parts, Against(count, features, extractor_weights)), path)


def steps(
    run: o.Run,
    samplers: Annotated[
        str,
        typer.Option(help="Samplers with commas between them, options after colons: ddpm,ddim:eta=1,unipc:order=3."),
    ] = "all",
    bound: Annotated[
        bool, typer.Option("--bound", help="Bits per dimension of test images instead, a curve for each spacing.")
    ] = False,
    nfe: Annotated[
        str | None,
        typer.Option(help=f"Network calls per image, a point for each; {NFE}, or {BOUND_NFE} with --bound."),
    ] = None,
    count: Annotated[int | None, typer.Option(min=2, help="Images for each point; 10000, or 256 with --bound.")] = None,
    features: o.Features = "auto",
    extractor_weights: o.ExtractorWeights = None,
    weights: o.Weights = "ema",
    data: o.Data = None,
    data_root: o.DataRoot = None,
    device: o.Device = "auto",
    out: Out = None,
) -> None:
    """FD over the number of network calls, a curve for each sampler; earlier evaluations are used again."""
    budgets = [int(calls) for calls in numbers("--nfe", nfe or (BOUND_NFE if bound else NFE), int)]
    unused = {"samplers": samplers != "all", "features": features != "auto", "extractor-weights": extractor_weights}
    if bound and any(unused.values()):
        flags = ", ".join(f"--{name}" for name, is_given in unused.items() if is_given)
        raise AlphabarError(f"--bound measures the likelihood of real images, and samples nothing; leave out {flags}.")
    path = place("steps", out)
    from alphabar import figures
    from alphabar.figures.against import Against

    if bound:
        model = loaded(run, weights, None, device, data, data_root)
        save(figures.bound_steps(model, budgets, 256 if count is None else count), path)
        return
    several = names.SAMPLERS if samplers == "all" else samplers.split(",")
    against = Against(10_000 if count is None else count, features, extractor_weights)
    save(figures.steps(loaded(run, weights, None, device, data, data_root), several, budgets, against), path)


def progressive(
    run: o.Run,
    seeds: o.Seeds = "0-7",
    columns: Annotated[int, typer.Option(help="How many points of the chain to show, from x_T to x_0.")] = 10,
    sampler: o.Sampler = None,
    steps: o.Steps = None,
    spacing: o.Spacing = None,
    eta: o.Eta = None,
    label: o.Label = None,
    weights: o.Weights = "ema",
    step: o.Step = None,
    batch_size: o.BatchSize = None,
    device: o.Device = "auto",
    out: Out = None,
) -> None:
    """The estimate x̂_0 over t as the reverse process goes on, a row per seed (DDPM Fig. 6)."""
    path = place("progressive", out)
    from alphabar import figures
    from alphabar.seeds import parsed

    how = o.sampling(sampler=sampler, steps=steps, spacing=spacing, eta=eta, batch_size=batch_size)
    pipeline = pipeline_of(loaded(run, weights, step, device), how, label)
    save(figures.progressive(pipeline, parsed(seeds or ""), columns), path)


def shared(
    run: o.Run,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="The seed whose chain is stopped.")] = 0,
    at: Annotated[str, typer.Option(help="Where: timesteps, or shares of T if all are at most 1.")] = ".25,.5,.75,1",
    count: Annotated[int, typer.Option(help="Chains that start from each x_t.")] = 8,
    sampler: Annotated[str, typer.Option(help="ddpm, or another sampler that adds noise.")] = "ddpm",
    steps: o.Steps = None,
    spacing: o.Spacing = None,
    eta: o.Eta = None,
    label: o.Label = None,
    weights: o.Weights = "ema",
    step: o.Step = None,
    batch_size: o.BatchSize = None,
    device: o.Device = "auto",
    out: Out = None,
) -> None:
    """Images decoded from one x_t: the larger t, the less they share (DDPM Fig. 7)."""
    times = numbers("--at", at, float)
    path = place("shared", out)
    from alphabar import figures

    how = o.sampling(sampler=sampler, steps=steps, spacing=spacing, eta=eta, batch_size=batch_size)
    save(figures.shared(pipeline_of(loaded(run, weights, step, device), how, label), seed, times, count), path)
