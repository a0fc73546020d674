"""`alphabar.encode` and `decode`: the x_T that an image comes from, and back."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

import torch
from torch import Tensor

from alphabar.api.edits import deterministic, edit_pipeline
from alphabar.api.model import Model, loaded
from alphabar.api.options import Options, StrPath, changes
from alphabar.editing import inversion, latents
from alphabar.editing.pictures import Picture, Source, picture
from alphabar.errors import sentences
from alphabar.sampling.pipeline import Pipeline
from alphabar.sampling.samples import Images


@dataclass(frozen=True, eq=False, repr=False)
class Latents:
    """x_T of pictures, float32 (N, C, H, W), and the test of the way back."""

    tensor: Tensor
    errors: Tensor
    """The relative error of each decoded image, (N,)."""
    decoded: Images
    """The images decoded from the latents; their picture shows the originals above them."""
    names: tuple[str, ...]
    """The names of the pictures."""
    pipeline: Pipeline

    def __repr__(self) -> str:
        return f"Latents({len(self.tensor)} of {', '.join(self.names)})"

    def save(self, file: StrPath) -> Path:
        """Writes a .safetensors file that `decode` reads."""
        latents.save(Path(file), self.tensor, self.pipeline)
        return Path(file)


@dataclass(frozen=True)
class Encoding:
    """Pictures that are to be encoded: checked, not encoded yet."""

    pipeline: Pipeline
    pictures: tuple[Picture, ...]
    iterations: int

    def latents(self) -> Latents:
        """Encode the pictures, and decode them as a test."""
        result = inversion.encoded(self.pipeline, self.pictures, self.iterations)
        tiles = torch.cat([torch.stack([picture.pixels for picture in self.pictures]), result.decoded])
        decoded = Images(result.decoded, self.settings, tiles=tiles, columns=len(self.pictures))
        return Latents(result.latents, result.errors, decoded, self.names, self.pipeline)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the pictures."""
        return tuple(picture.name for picture in self.pictures)

    @property
    def settings(self) -> dict[str, object]:
        """Everything that decides the latents."""
        return self.pipeline.settings() | {"encoded": list(self.names), "iterations": self.iterations}


def plan_encoding(
    model: Model | str | Path,
    images: Source | Sequence[Source],
    *,
    iterations: int = 3,
    label: str | int | None = None,
    resize: str = "none",
    **options: Unpack[Options],
) -> Encoding:
    """The pictures and the pipeline of `encode`."""
    source = loaded(model)
    several = [images] if isinstance(images, Source) else list(images)
    pictures = tuple(picture(source, image, resize) for image in several)
    settings = deterministic(changes(options))
    pipeline = edit_pipeline(source, pictures, label, settings, inversion.STEPS)
    return Encoding(pipeline, pictures, iterations)


@sentences()
def encode(
    model: Model | str | Path,
    images: Source | Sequence[Source],
    *,
    iterations: int = 3,
    label: str | int | None = None,
    resize: str = "none",
    **options: Unpack[Options],
) -> Latents:
    """Run DDIM backwards, from images to their x_T, in 100 steps; and decode them as a test.

    iterations: network calls per step. More calls decode more exactly.
    """
    return plan_encoding(
        model, images, iterations=iterations, label=label, resize=resize, **options
    ).latents()  # fmt: skip


@dataclass(frozen=True)
class Decoding:
    """Saved latents that are to be decoded: checked, not decoded yet."""

    path: Path
    tensor: Tensor
    pipeline: Pipeline

    @property
    def settings(self) -> dict[str, object]:
        """Everything that decides the images."""
        return self.pipeline.settings() | {"decoded": str(self.path)}

    def images(self) -> Images:
        """Decode the latents."""
        images = inversion.decoded(self.pipeline, self.tensor)
        return Images(images, self.settings, columns=min(len(images), 8))


def plan_decoding(model: Model | str | Path, file: StrPath) -> Decoding:
    """The latents in a file, and the pipeline that decodes them."""
    tensor, pipeline = latents.load(Path(file), loaded(model))
    return Decoding(Path(file), tensor, pipeline)


@sentences()
def decode(model: Model | str | Path, file: StrPath | Latents) -> Images:
    """Run DDIM from latents, or a file of them, to images, on the steps and with the class of their encoding."""
    if isinstance(file, Latents):
        latents.check_weights(repr(file), file.pipeline.model.sha256, loaded(model))
        return file.decoded
    return plan_decoding(model, file).images()
