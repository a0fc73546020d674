"""`alphabar.sample`: images into a folder, as the command writes them."""

from dataclasses import replace
from pathlib import Path
from typing import Unpack

from alphabar import distributed, films
from alphabar.api.model import Model, image_seeds, loaded
from alphabar.api.options import Options, Seeds, StrPath, changes, path
from alphabar.errors import sentences
from alphabar.sampling import backends
from alphabar.sampling import folder as folders
from alphabar.sampling.pipeline import Pipeline
from alphabar.sampling.samples import Images
from alphabar.sampling.to_folder import Plan, fill


@sentences()
def sample(
    model: Model | str | Path,
    num: int | None = None,
    *,
    label: str | int | None = None,
    seeds: Seeds = None,
    film: str | None = "gif",
    out: StrPath | None = None,
    backend: str = backends.TORCH,
    **options: Unpack[Options],
) -> Images:
    """Sample images into a folder: PNGs, a grid, an .npz, and a film of the reverse process.

    Images that the folder holds already are not sampled again. Under torchrun the processes share the work.
    film: gif, webp, mp4, or none. out: the folder; one in the run if None. For the rest see `Model.sample`.
    """
    film = None if film == "none" else film
    source = loaded(model, backends.device(backend))
    pipeline = Pipeline.of(source, changes(options), source.label(label), backend)
    return into_folder(Plan.of(pipeline, pipeline.job(image_seeds(pipeline, num, seeds)), path(out)), film)


def into_folder(plan: Plan, film: str | None) -> Images:
    """Sample the images of a plan that its folder does not hold yet, and return all."""
    if film is not None:
        films.check_format(film)
    with distributed.session():
        sampled = fill(plan, film)
        samples = folders.load_images(plan.folder, plan.job, plan.settings)
        if distributed.is_main():
            folders.save_overview(plan.folder, samples, plan.job, plan.settings)
    images = Images(samples, plan.settings, plan.job, plan.pipeline.model.class_names)
    return replace(images, folder=plan.folder, sampled=sampled)
