"""The small images that people bring to an upsampler: files, folders, samples of another run."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from torch import Tensor

from alphabar.data.classes import class_number
from alphabar.data.listing import list_files
from alphabar.editing.pictures import read_picture, reading_of
from alphabar.errors import AlphabarError
from alphabar.runs.model import LoadedModel
from alphabar.sampling import folder as folders
from alphabar.sampling.samples import Images

Source = str | Path | Image.Image | Images
"""A file, a folder of images, a Pillow image, or what was sampled."""


@dataclass(frozen=True)
class SmallImage:
    """uint8 (C, h, w), and the seed and class that it was sampled with; None for what is not known."""

    pixels: Tensor
    seed: int | None
    label: int | None


def small_images(model: LoadedModel, sources: Iterable[Source], resize: str) -> list[SmallImage]:
    """The images of all sources in the size that the upsampler enlarges; AlphabarError if it is none.

    resize: "none", or a key of RESIZE_RULES, for images of another size.
    """
    size = model.config.network.low_resolution
    if size is None:
        raise AlphabarError(
            f"{model.path} is no upsampler; it starts from noise alone, so sample it with `alphabar sample`."
        )
    shape, reading = (model.facts.shape[0], *size), reading_of(model)

    def one(source: Path | Image.Image, seed: int | None, name: str | None) -> SmallImage:
        pixels = read_picture(source, shape, resize, reading)
        return SmallImage(pixels, seed, None if name is None else class_number(model.class_names, name))

    found: list[SmallImage] = []
    for source in sources:
        if isinstance(source, Image.Image):
            found.append(one(source, None, None))
        elif isinstance(source, Images):
            job = source.job
            for k, image in enumerate(source):
                name = source.class_names[job.labels[k]] if job and job.labels else None
                found.append(one(image, job.seeds[k] if job else None, name))
        else:
            found += [one(path, *folders.seed_and_class(path)) for path in _files(Path(source))]
    if not found:
        raise AlphabarError("No images to enlarge were named; name files, or a folder of them.")
    return found


def _files(path: Path) -> list[Path]:
    """The image files that a path means; of a folder that was sampled, its samples."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise AlphabarError(f"There is no picture or folder {path}.")
    files = folders.files(path) or [path / name for name in list_files(path).images]
    if not files:
        raise AlphabarError(f"{path} holds no images.")
    return files
