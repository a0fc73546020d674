"""`alphabar sample`: pictures from a run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alphabar.cli.console import console

if TYPE_CHECKING:
    from alphabar.config import Sampling
    from alphabar.model import Model

USUAL_STEPS = {"ddim": 50}
"""Of samplers that do not want all T."""


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
        int | None, typer.Option(help="The checkpoint of this training step; the newest if left out.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Images at a time.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to; a folder in the run if left out.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps or auto.")] = "auto",
) -> None:
    """Draw images: PNGs, a grid, an .npz, and a film of the reverse process. Nothing about the model is asked again."""
    import torch
    from rich.progress import Progress

    from alphabar import build, gallery, generation, images
    from alphabar.errors import AlphabarError
    from alphabar.model import load_model

    if num is not None and seeds is not None:
        raise AlphabarError("Both --num and --seeds were given; --num N means --seeds 0-(N-1).")
    chosen = build.device(device)
    model = load_model(run, weights, chosen, step)
    asked = {"sampler": sampler, "steps": steps, "spacing": spacing, "eta": eta, "batch_size": batch_size, "num": num}
    section = _section(model, {key: value for key, value in asked.items() if value is not None})
    names = build.class_names(model.config, model.facts)
    wanted = generation.parse_seeds(seeds) if seeds is not None else range(section.num)
    number = generation.parse_class(label, names)
    job = generation.job(wanted, model.facts.shape, len(names), number)
    denoiser = build.respaced(model.denoiser, section)
    settings = _settings(run, model, section, denoiser.schedule.T) | {"class": number}
    folder = out or _run_of(run) / "generated" / _name(settings)
    gallery.make(folder, settings)

    film, drawn = gallery.Film(denoiser.schedule.T), []
    batches = list(job.batches(section.batch_size))
    with Progress(console=console()) as progress:
        task = progress.add_task("sampling", total=len(batches) * denoiser.schedule.T)
        for batch in batches:
            for state in generation.denoise(denoiser, build.sampler(section), batch, chosen):
                progress.advance(task)
                if batch is batches[0]:
                    film.watch(state)
            drawn.append(images.to_uint8(state.x).cpu())
            gallery.save_images(folder, drawn[-1], batch, settings, names)
    gallery.save_overview(folder, torch.cat(drawn), film, job, settings)
    typer.echo(f"images    {folder}  ({len(job.seeds)} PNGs, samples.npz, settings.json)")
    typer.echo(f"grid      {folder / 'grid.png'}\nfilm      {folder / 'film.gif'}")


def _section(model: "Model", changes: dict[str, Any]) -> "Sampling":
    """The recipe's [sampling] with what was asked; a sampler other than the recipe's comes with its own step count."""
    from alphabar import config
    from alphabar.errors import AlphabarError

    settings = model.config.model_dump(mode="json")
    if changes.get("sampler", model.config.sampling.sampler) != model.config.sampling.sampler:
        usual = USUAL_STEPS.get(changes["sampler"])
        changes = {"steps": usual and min(usual, model.config.diffusion.steps)} | changes
    settings["sampling"] |= changes
    section = config.parse(settings).sampling
    if "eta" in changes and section.sampler != "ddim":
        raise AlphabarError(
            f"--eta is DDIM's, and the sampler is '{section.sampler}'; give --sampler ddim, or no --eta."
        )
    if "spacing" in changes and section.steps is None:
        raise AlphabarError(f"--spacing {section.spacing} chooses among the timesteps; say how many with --steps.")
    return section


def _settings(run: Path, model: "Model", section: "Sampling", steps: int) -> dict[str, Any]:
    import alphabar

    return {
        "alphabar": alphabar.__version__,
        "run": str(run),
        "step": model.step,
        "weights": model.weights,
        "sampler": section.sampler,
        "steps": steps,
        "spacing": "all" if section.steps is None else section.spacing,
        "eta": section.eta if section.sampler == "ddim" else None,
        "x0_transform": model.config.diffusion.x0_transform,
    }


def _name(settings: dict[str, Any]) -> str:
    """A folder name in which no two ways of drawing meet."""
    parts = [settings["sampler"], settings["steps"], settings["spacing"]]
    parts += [f"eta-{settings['eta']:g}"] if settings["eta"] else []
    parts += [] if settings["class"] is None else [f"class-{settings['class']}"]
    return "-".join(map(str, [*parts, settings["weights"], f"step-{settings['step']}"]))


def _run_of(path: Path) -> Path:
    """The run directory that `path` is, or that the checkpoint `path` lies in."""
    from alphabar.checkpoint import is_one

    return path.parent.parent if is_one(path) else path
