"""Images of the Generate tab: what was asked for, the frames while they are sampled, and the film of one of them."""

import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from alphabar import images
from alphabar.api.model import Model
from alphabar.api.options import seed_list
from alphabar.app import forms, live
from alphabar.errors import AlphabarError
from alphabar.sampling import folder
from alphabar.sampling.job import Job
from alphabar.sampling.pipeline import Pipeline

MOST = 64
"""Images in one grid of the page."""
EVERY = 0.2
"""Seconds between two frames."""
EACH = "each class in turn"
NONE = "no class"
_KEPT = 1 << 26
"""Bytes of images that are kept of earlier requests."""
TILE = 128
"""Pixels to which small images are enlarged."""


@dataclass(frozen=True)
class Request:
    """What was asked for; the same request gives the same images."""

    run: str
    label: str
    seeds: tuple[int, ...]
    options: tuple[tuple[str, Any], ...]
    step: int
    """The training step of the weights."""

    @classmethod
    def of(cls, model: Model, run: str, label: str, seeds: str, values: Mapping[str, Any]) -> "Request":
        """The request of a filled form; AlphabarError for more images than one grid has."""
        several = seed_list(str(seeds))
        if len(several) > MOST:
            raise AlphabarError(f"The page samples at most {MOST} images at a time; got {len(several):,} seeds.")
        return cls(run, label, tuple(several), tuple(sorted(forms.given(values).items())), model.loaded.step)

    def pipeline(self, model: Model) -> Pipeline:
        """How the images are sampled, checked."""
        return model.pipeline(label_of(model, self.label), **dict(self.options))


def labels(model: Model, has_each: bool = True) -> list[str]:
    """What the form offers as a class; has_each: each class in turn, too."""
    if not model.classes:
        return [NONE]
    return [*([EACH] if has_each else []), *([NONE] if model.loaded.knows_no_class else []), *model.classes]


def label_of(model: Model, chosen: str) -> str | None:
    """A choice of `labels` as the argument `label`; a network without classes is given none."""
    return None if chosen == EACH or not model.classes else "none" if chosen == NONE else chosen


@dataclass(frozen=True)
class Sampled:
    """The images of a request, uint8 (N, C, H, W), and how they were sampled."""

    tensor: Tensor
    job: Job
    settings: Mapping[str, Any]
    class_names: tuple[str, ...]

    def picture(self, k: int) -> Image.Image:
        """Image k as it is."""
        return images.to_pil(self.tensor[k])

    def shown(self) -> list[tuple[Image.Image, str]]:
        """The images, small ones enlarged without blurring, each with its seed."""
        enlarge = images.enlargement(self.tensor.shape[2], TILE)
        tiles = self.tensor.repeat_interleave(enlarge, 2).repeat_interleave(enlarge, 3)
        return [(images.to_pil(tile), f"seed {seed}") for tile, seed in zip(tiles, self.job.seeds, strict=True)]

    def title(self, k: int) -> str:
        """ "seed 3, Bag"."""
        name = self.class_name(k)
        return f"seed {self.job.seeds[k]}" + (f", {name}" if name is not None else "")

    def class_name(self, k: int) -> str | None:
        """The class of image k; None if it has none."""
        return None if self.job.labels is None else self.class_names[self.job.labels[k]]

    def save(self, k: int, place: Path) -> Path:
        """Image k as a PNG in `place`, which carries its settings, as `alphabar sample` writes it."""
        folder.save_images(place, self.tensor[k : k + 1], self.job.of([k]), self.settings, self.class_names)
        (path,) = place.glob("seed-*.png")
        return path


def sampled(request: Request, model: Model) -> Iterator[str | Sampled]:
    """Frames of the reverse process as HTML, the first one at once; then the images."""
    pipeline = request.pipeline(model)
    yield live.bar("Preparing.", 0)
    job = pipeline.prepare().job(request.seeds)
    done, shown, finished = 0.0, 0.0, []
    for step in pipeline.steps(job):
        done += len(step.x) / pipeline.steps_per_image
        if step.t == 0:
            finished.append(images.to_uint8(step.x).cpu())
        if time.monotonic() - shown > EVERY or step.t == 0:
            count, steps = sum(map(len, finished)), pipeline.steps_per_image
            text = f"step {steps - step.t} of {steps}, {count} of {len(job.seeds)} images done"
            shown = time.monotonic()
            yield live.frame(step, text, done / len(job.seeds))
    yield Sampled(torch.cat(finished), job, pipeline.settings(), model.classes)


class Album:
    """The images of the last requests; those of an older one are sampled again."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Request, Sampled] = OrderedDict()

    def add(self, request: Request, sampled: Sampled) -> None:
        """Keep these images, and forget the oldest."""
        self._kept[request] = sampled
        while len(self._kept) > 1 and sum(each.tensor.numel() for each in self._kept.values()) > _KEPT:
            self._kept.popitem(last=False)

    def of(self, request: Request, model: Model) -> Sampled:
        """The images of a request."""
        if request not in self._kept:
            *_, last = sampled(request, model)
            assert isinstance(last, Sampled)
            self.add(request, last)
        return self._kept[request]


def film(request: Request, model: Model, k: int, path: Path) -> Path:
    """The film of image k: x_t and the estimate x̂_0 side by side, .gif or .webp."""
    pipeline = request.pipeline(model).prepare()
    job = pipeline.job(request.seeds).of([k])
    watched = folder.Film(pipeline.steps_per_image, job)
    pipeline.images(job, watch=watched.watch, bar="")
    watched.save(path)
    return path
