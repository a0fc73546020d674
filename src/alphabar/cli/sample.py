"""`alphabar sample`: pictures from a run."""

from pathlib import Path
from typing import Annotated

import typer

from alphabar.cli import options as o


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
    data_root: o.DataRoot = None,
    film: Annotated[str, typer.Option(help="gif, webp (loses nothing), mp4 (needs ffmpeg) or none.")] = "gif",
    out: Annotated[Path | None, typer.Option(help="Where to; a folder in the run if left out.")] = None,
    device: o.Device = "auto",
) -> None:
    """Draw images: PNGs, a grid, an .npz, and a film of the reverse process. Nothing about the model is asked again.

    The same command again draws only what is missing. Under torchrun the processes share the work.
    """
    from alphabar import build, distributed
    from alphabar import film as films
    from alphabar.errors import AlphabarError
    from alphabar.runs.model import load_model
    from alphabar.sampling import draw as drawing
    from alphabar.sampling import folder as gallery
    from alphabar.sampling import job as generation

    if num is not None and seeds is not None:
        raise AlphabarError("Both --num and --seeds were given; --num N means --seeds 0-(N-1).")
    if film != "none":
        films.check_format(film)
    chosen = build.device(device)
    model = load_model(run, weights, chosen, step)
    asked = o.given(
        sampler=sampler, steps=steps, spacing=spacing, eta=eta, order=order, churn=churn, variance=variance,
        guidance_scale=guidance, guidance_interval=o.parsed_interval(guidance_interval),
        guidance_rescale=guidance_rescale, batch_size=batch_size, num=num,
    )  # fmt: skip
    section = drawing.section(model, asked)
    wanted = generation.parse_seeds(seeds) if seeds is not None else range(section.num)
    plan = drawing.planned(run, model, section, wanted, label, out, data_root)
    with distributed.session():
        drawn = drawing.draw_into(plan, chosen, film=None if film == "none" else film)
        if distributed.is_main():
            gallery.save_overview(plan.folder, drawn, plan.job, plan.settings)
            typer.echo(f"images    {plan.folder}  ({len(plan.job.seeds)} PNGs, samples.npz, settings.json)")
            typer.echo(f"grid      {plan.folder / 'grid.png'}")
            if film != "none":
                typer.echo(f"film      {gallery.film_path(plan.folder, film)}")
