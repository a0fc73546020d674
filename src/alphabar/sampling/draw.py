"""A model and a [sampling] section -> a folder of images. What the folder holds already is not drawn again."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import alphabar
from alphabar import build, config, diffusion, distributed, images
from alphabar.config import Sampling
from alphabar.errors import AlphabarError
from alphabar.progress import progress
from alphabar.runs.model import Model
from alphabar.runs.run import home
from alphabar.sampling import folder as gallery
from alphabar.sampling import job as generation
from alphabar.sampling.analytic_variance import with_analytic_variance
from alphabar.sampling.job import Job

OF_THE_SAMPLER = {"variance": "model", **dict.fromkeys(("steps", "spacing", *build.SAMPLER_OPTIONS))}
"""Settings of [sampling] that a recipe chose for its own sampler, and what they are with another."""


@dataclass(frozen=True)
class Drawing:
    """Which images, of which model, how, and where they go."""

    run: Path
    folder: Path
    model: Model
    section: Sampling
    job: Job
    settings: dict[str, Any]
    data_root: Path | None = None

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of the classes that the network is told."""
        return build.class_names(self.model.config, self.model.facts)


def planned(
    run: Path,
    model: Model,
    section: Sampling,
    seeds: list[int] | range,
    label: str | None,
    out: Path | None,
    data_root: Path | None = None,
) -> Drawing:
    """A drawing of `seeds` into `out`, or into a folder in the run that is named after the way of drawing.

    label: a class by number or name, or 'none' of a network that knows images without one; data_root: where published
    data lie, if the variance is to be measured on them.
    """
    names = build.class_names(model.config, model.facts)
    unconditional = label == "none" and model.config.network.label_dropout > 0
    number = None if unconditional else generation.parse_class(label, names)
    if unconditional and section.guidance_scale != 1:
        raise AlphabarError("--class none asks for images of no class, and --guidance for more of one: leave one out.")
    job = generation.job(seeds, model.facts.shape, 0 if unconditional else len(names), number)
    told = settings(run, model, section, number) | {"unconditional": unconditional or None}
    folder = out or home(run) / "generated" / _name(told)
    return Drawing(run, folder, model, section, job, told, data_root)


def draw_into(drawing: Drawing, device: torch.device, film: str | None = None) -> Tensor:
    """All the images, uint8 (N, C, H, W); those that are missing are drawn first, by all processes together.

    film: the format of a film of the first of them, a key of `film.FORMATS`, or None.
    """
    d = drawing
    if distributed.is_main():
        gallery.make(d.folder, d.settings)
    distributed.barrier()
    denoiser, sampler = build.respaced(d.model.denoiser, d.section), build.sampler(d.section)
    condition = build.condition(d.model.config, d.model.facts, d.section)
    filmed = gallery.film_path(d.folder, film or "gif")
    again = gallery.unfilmed(filmed, next(d.job.batches(d.section.batch_size))) if film else 0
    todo = gallery.missing(d.folder, d.job, d.settings, again)
    batches = list(todo.batches(d.section.batch_size))
    share = distributed.mine(batches)
    distributed.barrier()  # nobody writes while another still looks at what is there
    if batches and d.section.variance == "analytic":
        denoiser = with_analytic_variance(d.run, d.model, denoiser, d.data_root, device)
    with progress("drawing", sum(len(batch.seeds) for batch in share)) as advance:
        for batch in share:
            movie = gallery.Film(denoiser.schedule.T, batch) if again and batch is batches[0] else None
            for step in generation.denoise(denoiser, sampler, batch, device, condition):
                if movie:
                    movie.watch(step)
                advance(len(batch.seeds) / denoiser.schedule.T)
            gallery.save_images(d.folder, images.to_uint8(step.x).cpu(), batch, d.settings, d.class_names)
            if movie:
                movie.save(filmed)
    distributed.barrier()
    return gallery.load_images(d.folder, d.job, d.settings)


def section(model: Model, changes: dict[str, Any]) -> Sampling:
    """The recipe's [sampling] with what was asked; a sampler other than the recipe's comes with its own grid."""
    settings = model.config.model_dump(mode="json")
    if changes.get("sampler", model.config.sampling.sampler) != model.config.sampling.sampler:
        changes = OF_THE_SAMPLER | changes
    settings["sampling"] |= changes
    chosen = config.parse(settings).sampling
    for name in build.SAMPLER_OPTIONS:
        if changes.get(name) is not None:
            build.check_option(name, chosen.sampler)
    if changes.get("spacing") and isinstance(chosen.steps, str):
        raise AlphabarError(
            f"--spacing {chosen.spacing} chooses timesteps, and --steps {chosen.steps} names them; leave one out."
        )
    if changes.get("spacing") and chosen.steps is None and diffusion.GRIDS[chosen.sampler].steps is None:
        raise AlphabarError(f"--spacing {chosen.spacing} chooses among the timesteps; say how many with --steps.")
    for name in ("guidance_interval", "guidance_rescale"):
        if changes.get(name) and chosen.guidance_scale == 1:
            raise AlphabarError(f"--{name.replace('_', '-')} says how to guide, and --guidance 1 does not; raise it.")
    build.sampler(chosen)
    build.respaced(model.denoiser, chosen)
    build.condition(model.config, model.facts, chosen)
    return chosen


def described(section: Sampling) -> str:
    """The sampler and its options, for people: "ddim, η = 1"."""
    sampler, signs = build.sampler(section), {"eta": "η"}
    options = {name: getattr(sampler, name, None) for name in build.SAMPLER_OPTIONS}
    words = [f"{signs.get(name, name)} = {value:g}" for name, value in options.items() if value is not None]
    return ", ".join([section.sampler, *words])


def settings(run: Path, model: Model, section: Sampling, label: int | None) -> dict[str, Any]:
    """All that decides what the images look like; None for what does not apply."""
    sampler, schedule = build.sampler(section), build.respaced(model.denoiser, section).schedule
    guided = section.guidance_scale != 1
    return {
        "alphabar": alphabar.__version__,
        "run": str(run),
        "step": model.step,
        "weights": model.weights,
        "weights_sha256": model.sha256,
        "sampler": section.sampler,
        "steps": schedule.T,
        "spacing": _spacing(section, model.denoiser.schedule.T),
        **{name: getattr(sampler, name, None) for name in build.SAMPLER_OPTIONS},
        "network_calls": _network_calls(sampler, schedule, section),
        "variance": None if section.variance == "model" else section.variance,
        "guidance_scale": section.guidance_scale if guided else None,
        "guidance_interval": list(section.guidance_interval or ()) or None if guided else None,
        "guidance_rescale": section.guidance_rescale or None if guided else None,
        "x0_transform": model.config.diffusion.x0_transform,
        "class": label,
    }


def _network_calls(sampler: diffusion.Sampler, schedule: diffusion.NoiseSchedule, section: Sampling) -> int:
    """Per image; a guided one counts twice."""
    calls = diffusion.network_calls(sampler, schedule.T)
    if section.guidance_scale == 1:
        return calls
    first, last = section.guidance_interval or (1, int(schedule.timesteps[-1]))
    told = schedule.timesteps[1:].tolist()
    told += told[:-1] * (sampler.calls - 1)  # a step's second call is at the level that it leads to
    return int(calls + sum(first <= timestep <= last for timestep in told))


def _spacing(section: Sampling, T: int) -> str:
    """Which timesteps are visited, in words."""
    if isinstance(section.steps, str):
        return section.steps
    everything = (section.steps or diffusion.GRIDS[section.sampler].steps or T) >= T
    return "all" if everything else build.spacing(section)


def _name(settings: dict[str, Any]) -> str:
    """A folder name in which no two ways of drawing meet."""
    spacing = settings["spacing"]
    if len(spacing) > 40:  # a list of timesteps, too long for a name
        spacing = hashlib.sha256(spacing.encode()).hexdigest()[:12]
    parts = [settings["sampler"], settings["steps"], spacing]
    parts += [f"{name}-{settings[name]:g}" for name in build.SAMPLER_OPTIONS if settings[name]]
    parts += [settings["variance"]] if settings["variance"] else []
    if settings["guidance_scale"] is not None:
        interval = settings["guidance_interval"]
        parts += [f"guidance-{settings['guidance_scale']:g}"]
        parts += ["t-{}-{}".format(*interval)] if interval else []
        parts += [f"rescale-{settings['guidance_rescale']:g}"] if settings["guidance_rescale"] else []
    parts += ["unconditional"] if settings["unconditional"] else []
    parts += [] if settings["class"] is None else [f"class-{settings['class']}"]
    return "-".join(map(str, [*parts, settings["weights"], f"step-{settings['step']}"]))
