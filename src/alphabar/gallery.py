"""Finished images -> a folder that people and programs can read, and that says how it was made."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from alphabar import images
from alphabar.diffusion import Step
from alphabar.errors import AlphabarError
from alphabar.generation import Job

SETTINGS = "settings.json"
GRID_IMAGES = 400
FILM_IMAGES = 16
FILM_FRAMES = 60


class Film:
    """The reverse process of a few images: x_t on the left, the x̂_0 believed in at that moment on the right."""

    def __init__(self, steps: int) -> None:
        self.frames: list[Tensor] = []
        self._stride = -(-steps // FILM_FRAMES)

    def watch(self, step: Step) -> None:
        """Keep a frame now and then, and always the last."""
        if step.t % self._stride == 0:
            self.frames.append(_frame(step))

    def save(self, path: Path) -> None:
        """As a GIF."""
        images.save_gif(path, self.frames)


def _frame(step: Step) -> Tensor:
    halves = [images.sheet(images.to_uint8(x[:FILM_IMAGES]).cpu()) for x in (step.x, step.x0)]
    return images.grid(torch.stack(halves), columns=2, gap=16)


def make(folder: Path, settings: Mapping[str, Any]) -> None:
    """The folder for images drawn with `settings`; AlphabarError if it cannot be made, or holds others.

    To be called before the work that is to go into it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        earlier = json.loads((folder / SETTINGS).read_text()) if (folder / SETTINGS).exists() else settings
    except (OSError, ValueError) as error:
        raise AlphabarError(f"The folder {folder} cannot be used ({error}); choose another with --out.") from None
    if other := [key for key in settings if earlier.get(key) != settings[key]]:
        raise AlphabarError(f"{folder} holds images drawn with another {', '.join(other)}; choose another with --out.")
    with images.atomic_file(folder / SETTINGS) as file:
        file.write(json.dumps(dict(settings), indent=1).encode())


def save_images(
    folder: Path, drawn: Tensor, batch: Job, settings: Mapping[str, Any], class_names: Sequence[str]
) -> None:
    """seed-XXXXXX.png of each image (N, C, H, W) uint8, in the order of batch.seeds, with its settings in its text."""
    labels = batch.labels or [None] * len(batch.seeds)
    for image, seed, label in zip(drawn, batch.seeds, labels, strict=True):
        one = dict(settings) | {"seed": seed} | ({} if label is None else {"class": label, "name": class_names[label]})
        images.save_png(folder / f"seed-{seed:06d}.png", image, {"alphabar": json.dumps(one)})


def save_overview(folder: Path, drawn: Tensor, film: Film, job: Job, settings: Mapping[str, Any]) -> None:
    """grid.png, samples.npz, film.gif and settings.json of the whole job."""
    whole = dict(settings) | {"seeds": list(job.seeds)} | ({} if job.labels is None else {"classes": list(job.labels)})
    images.save_png(folder / "grid.png", images.sheet(drawn[:GRID_IMAGES]), {"alphabar": json.dumps(whole)})
    images.save_npz(folder / "samples.npz", drawn, None if job.labels is None else torch.tensor(job.labels))
    film.save(folder / "film.gif")
    with images.atomic_file(folder / SETTINGS) as file:
        file.write(json.dumps(whole, indent=1).encode())
