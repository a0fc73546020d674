"""A model and a [sampling] section -> a folder of images. What the folder holds already is not drawn again."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import alphabar
from alphabar import build, checkpoint, config, distributed, gallery, generation, images
from alphabar.config import Sampling
from alphabar.errors import AlphabarError
from alphabar.generation import Job
from alphabar.model import Model
from alphabar.progress import progress

USUAL_STEPS = {"ddim": 50}
"""Of samplers that do not want all T."""


@dataclass(frozen=True)
class Drawing:
    """Which images, of which model, how, and where they go."""

    folder: Path
    model: Model
    section: Sampling
    job: Job
    settings: dict[str, Any]

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of the classes that the network is told."""
        return build.class_names(self.model.config, self.model.facts)


def planned(
    run: Path, model: Model, section: Sampling, seeds: list[int] | range, label: str | None, out: Path | None
) -> Drawing:
    """A drawing of `seeds` into `out`, or into a folder in the run that is named after the way of drawing."""
    names = build.class_names(model.config, model.facts)
    number = generation.parse_class(label, names)
    job = generation.job(seeds, model.facts.shape, len(names), number)
    settings = _settings(run, model, section, number)
    folder = out or run_of(run) / "generated" / _name(settings)
    return Drawing(folder, model, section, job, settings)


def draw_into(drawing: Drawing, device: torch.device, film: bool) -> Tensor:
    """All the images, uint8 (N, C, H, W); those that are missing are drawn first, by all processes together."""
    d = drawing
    if distributed.is_main():
        gallery.make(d.folder, d.settings)
    distributed.barrier()
    denoiser, sampler = build.respaced(d.model.denoiser, d.section), build.sampler(d.section)
    todo = gallery.missing(d.folder, d.job, d.settings, film)
    filmed = film and todo.seeds[:1] == d.job.seeds[:1]
    batches = list(todo.batches(d.section.batch_size))
    share = distributed.mine(batches)
    distributed.barrier()  # nobody writes while another still looks at what is there
    with progress("drawing", sum(len(batch.seeds) for batch in share)) as advance:
        for batch in share:
            movie = gallery.Film(denoiser.schedule.T, batch) if filmed and batch is batches[0] else None
            for step in generation.denoise(denoiser, sampler, batch, device):
                if movie:
                    movie.watch(step)
                advance(len(batch.seeds) / denoiser.schedule.T)
            gallery.save_images(d.folder, images.to_uint8(step.x).cpu(), batch, d.settings, d.class_names)
            if movie:
                movie.save(d.folder)
    distributed.barrier()
    return gallery.load_images(d.folder, d.job, d.settings)


def section(model: Model, changes: dict[str, Any]) -> Sampling:
    """The recipe's [sampling] with what was asked; a sampler other than the recipe's comes with its own step count."""
    settings = model.config.model_dump(mode="json")
    if changes.get("sampler", model.config.sampling.sampler) != model.config.sampling.sampler:
        usual = USUAL_STEPS.get(changes["sampler"])
        changes = {"steps": usual and min(usual, model.config.diffusion.steps)} | changes
    settings["sampling"] |= changes
    chosen = config.parse(settings).sampling
    if "eta" in changes and chosen.sampler != "ddim":
        raise AlphabarError(
            f"--eta is DDIM's, and the sampler is '{chosen.sampler}'; give --sampler ddim, or no --eta."
        )
    if "spacing" in changes and not isinstance(chosen.steps, int):
        raise AlphabarError(f"--spacing {chosen.spacing} chooses among the timesteps; say how many with --steps.")
    build.respaced(model.denoiser, chosen)
    return chosen


def run_of(path: Path) -> Path:
    """The run directory that `path` is, or that the checkpoint `path` lies in."""
    return path.parent.parent if checkpoint.is_one(path) else path


def _settings(run: Path, model: Model, section: Sampling, label: int | None) -> dict[str, Any]:
    return {
        "alphabar": alphabar.__version__,
        "run": str(run),
        "step": model.step,
        "weights": model.weights,
        "weights_sha256": model.sha256,
        "sampler": section.sampler,
        "steps": build.respaced(model.denoiser, section).schedule.T,
        "spacing": _spacing(section),
        "eta": section.eta if section.sampler == "ddim" else None,
        "x0_transform": model.config.diffusion.x0_transform,
        "class": label,
    }


def _spacing(section: Sampling) -> str:
    """Which timesteps are visited, in words."""
    if isinstance(section.steps, str):
        return section.steps
    return "all" if section.steps is None else section.spacing


def _name(settings: dict[str, Any]) -> str:
    """A folder name in which no two ways of drawing meet."""
    parts = [settings["sampler"], settings["steps"], settings["spacing"]]
    parts += [f"eta-{settings['eta']:g}"] if settings["eta"] else []
    parts += [] if settings["class"] is None else [f"class-{settings['class']}"]
    return "-".join(map(str, [*parts, settings["weights"], f"step-{settings['step']}"]))
