"""`alphabar sample`: pictures from a run."""

from pathlib import Path
from typing import Annotated

import typer


def sample(
    run: Annotated[Path, typer.Argument(help="A run directory, or one checkpoint in it.")],
    num: Annotated[int | None, typer.Option(min=1, help="How many images: seeds 0 to NUM - 1.")] = None,
    seeds: Annotated[str | None, typer.Option(help="Which images: 0-63,100. Image k depends on seed k alone.")] = None,
    sampler: Annotated[str | None, typer.Option(help="ddpm or ddim; the recipe's if left out.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Network calls per image, up to T.")] = None,
    spacing: Annotated[str | None, typer.Option(help="Which timesteps: uniform, trailing, leading, quadratic.")] = None,
    eta: Annotated[float | None, typer.Option(help="DDIM's noise: 0 none, 1 as much as DDPM.")] = None,
    label: Annotated[str | None, typer.Option("--class", help="The class to draw, by number or name.")] = None,
    weights: Annotated[str, typer.Option(help="ema, raw, or ema-RATE.")] = "ema",
    step: Annotated[
        str | None, typer.Option(help="The checkpoint of this training step, or 'best'; the newest if left out.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Images at a time.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to; a folder in the run if left out.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps or auto.")] = "auto",
) -> None:
    """Draw images: PNGs, a grid, an .npz, and a film of the reverse process. Nothing about the model is asked again.

    The same command again draws only what is missing. Under torchrun the processes share the work.
    """
    from alphabar import build, distributed, drawing, gallery, generation
    from alphabar.errors import AlphabarError
    from alphabar.model import load_model

    if num is not None and seeds is not None:
        raise AlphabarError("Both --num and --seeds were given; --num N means --seeds 0-(N-1).")
    chosen = build.device(device)
    model = load_model(run, weights, chosen, step)
    asked = {"sampler": sampler, "steps": steps, "spacing": spacing, "eta": eta, "batch_size": batch_size, "num": num}
    section = drawing.section(model, {key: value for key, value in asked.items() if value is not None})
    wanted = generation.parse_seeds(seeds) if seeds is not None else range(section.num)
    plan = drawing.planned(run, model, section, wanted, label, out)
    with distributed.session():
        drawn = drawing.draw_into(plan, chosen, film=True)
        if distributed.is_main():
            gallery.save_overview(plan.folder, drawn, plan.job, plan.settings)
            typer.echo(f"images    {plan.folder}  ({len(plan.job.seeds)} PNGs, samples.npz, settings.json)")
            typer.echo(f"grid      {plan.folder / 'grid.png'}\nfilm      {plan.folder / gallery.FILM}")
