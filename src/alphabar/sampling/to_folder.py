"""A pipeline and a job -> a folder of images. Images that the folder holds already are not sampled again."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from alphabar import distributed, images
from alphabar.files import inside, outputs
from alphabar.runs.run import home
from alphabar.sampling import folder as folders
from alphabar.sampling import settings
from alphabar.sampling.job import Job
from alphabar.sampling.pipeline import Pipeline
from alphabar.terminal.progress import progress


@dataclass(frozen=True)
class Plan:
    """The images that are sampled, how, and into which folder."""

    pipeline: Pipeline
    job: Job
    folder: Path
    settings: dict[str, Any]

    @classmethod
    def of(cls, pipeline: Pipeline, job: Job, folder: Path | None = None) -> "Plan":
        """folder: None for one in the run that is named after the way of sampling."""
        how = pipeline.settings()
        place = "generated" if job.low_res is None else "upscaled"
        folder = folder or inside(home(pipeline.model.path) / place, settings.folder_name(how))
        return cls(pipeline, job, folder, how)


def sample_to_folder(plan: Plan, film: str | None = None) -> Tensor:
    """All images of the plan, uint8 (N, C, H, W); the missing ones are sampled first: see `fill`."""
    fill(plan, film)
    return folders.load_images(plan.folder, plan.job, plan.settings)


def fill(plan: Plan, film: str | None = None) -> int:
    """Sample the images that the folder does not hold yet, all processes together; returns how many these were.

    film: the format of a film of the first images, a key of `films.FORMATS`, or None.
    """
    if distributed.is_main():
        folders.make(plan.folder, plan.settings)
        folders.check(plan.folder, plan.job, film)
    distributed.barrier()
    batch_size = plan.pipeline.section.batch_size
    film_path = folders.film_path(plan.folder, film or "gif")
    filmed = folders.unfilmed(film_path, next(plan.job.batches(batch_size))) if film else 0
    todo = folders.missing(plan.folder, plan.job, plan.settings, filmed)
    batches = list(todo.batches(batch_size))
    share = distributed.mine(batches)
    if batches:
        outputs.prepare(plan.folder)
    distributed.barrier()  # nobody writes while another process still looks at the folder
    pipeline = plan.pipeline.prepare() if batches else plan.pipeline
    names = pipeline.model.class_names
    with progress("sampling", sum(len(batch.seeds) for batch in share)) as advance:
        for batch in share:
            movie = folders.Film(pipeline.steps_per_image, batch) if filmed and batch is batches[0] else None
            for step in pipeline.steps(batch):
                if movie:
                    movie.watch(step)
                advance(len(batch.seeds) / pipeline.steps_per_image)
            folders.save_images(plan.folder, images.to_uint8(step.x).cpu(), batch, plan.settings, names)
            if movie:
                movie.save(film_path)
    distributed.barrier()
    return len(todo.seeds)
