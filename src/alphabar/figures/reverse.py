"""What the figures of the reverse process say of their pipeline."""

from alphabar.runs.run import home
from alphabar.sampling.job import Job
from alphabar.sampling.pipeline import Pipeline

MOST_ROWS = 50
"""The most rows of images in one picture."""


def how(pipeline: Pipeline) -> str:
    """The sampler and its steps, for a title."""
    return f"{pipeline.how}, {pipeline.steps_per_image:,} steps"


def about(pipeline: Pipeline) -> dict[str, str | int]:
    """The columns of the table that are the same in every row."""
    model = pipeline.model
    return {
        "run": home(model.path).name,
        "step": model.step,
        "weights": model.weights,
        "sampler": pipeline.how,
        "steps": pipeline.steps_per_image,
    }


def image_name(pipeline: Pipeline, job: Job, k: int) -> str:
    """The seed of image k of a job, with its class if it has one."""
    if job.labels is None:
        return f"seed {job.seeds[k]}"
    return f"seed {job.seeds[k]}\n{pipeline.model.class_names[job.labels[k]]}"
