"""What is evaluated: a run, whose images are drawn first; a folder; or an .npz. And all that is known of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from alphabar import checkpoint, data, gallery
from alphabar.data import DataOptions, ImageSet
from alphabar.drawing import Drawing, draw_into, planned, section
from alphabar.errors import AlphabarError
from alphabar.generation import parse_seeds
from alphabar.images import Size
from alphabar.model import load_model
from alphabar.run import Run

ROUNDED = "round((x + 1) * 127.5) to uint8"


@dataclass(frozen=True)
class Subject:
    """The images, and what to say of them."""

    images: ImageSet
    about: Mapping[str, Any]


def plan(path: Path, asked: Mapping[str, Any], count: int, device: torch.device) -> Drawing | None:
    """What a run, or one of its checkpoints, is to draw; None if `path` is none."""
    if not (checkpoint.is_one(path) or Run(path).config.exists()):
        if asked:
            raise AlphabarError(f"{path} is no run, so nothing is drawn and {', '.join(asked)} cannot be chosen.")
        return None
    changes = dict(asked)
    seeds, label = changes.pop("seeds", None), changes.pop("label", None)
    model = load_model(path, changes.pop("weights", "ema"), device, changes.pop("step", None))
    chosen = section(model, changes)
    return planned(path, model, chosen, range(count) if seeds is None else parse_seeds(seeds), label, None)


def of_drawing(drawing: Drawing, device: torch.device) -> Subject:
    """The images of a run; those that are missing are drawn."""
    drawn = draw_into(drawing, device, film=False)
    about = _about_drawn(drawing.folder, drawing.settings, drawing.job.seeds)
    return Subject(_first(drawn, None, drawing.folder), about)


def of_path(path: Path, image_size: Size | None, resize: str, count: int | None) -> Subject:
    """The first `count` images of a folder that `alphabar sample` made, of any other folder, or of an .npz."""
    if (sampled := gallery.read(path)) is not None:
        drawn, settings, seeds = sampled
        return Subject(_first(drawn, count, path), _about_drawn(path, settings, seeds[:count]))
    options = DataOptions(path=path, image_size=image_size, resize=resize)
    found = data.load(data.detect(path), options)
    about = {"path": str(path), "rounding": "uint8 as stored", "resize": resize}
    return Subject(_first(found.images, count, path), about)


def _first(images: torch.Tensor, count: int | None, source: Path) -> ImageSet:
    count = len(images) if count is None else count
    if not 2 <= count <= len(images):
        raise AlphabarError(
            f"{source} holds {len(images):,} images; --count must lie in 2..{len(images)}, not {count}."
        )
    return ImageSet(name="generated", images=images[:count], labels=None, class_names=(), source=str(source))


def _about_drawn(folder: Path, settings: Mapping[str, Any], seeds: Sequence[int]) -> dict[str, Any]:
    told = {name: value for name, value in settings.items() if name not in ("alphabar", "seeds", "classes")}
    return {
        "path": str(folder),
        **told,
        "nfe": settings["steps"],
        "seeds": seed_ranges(seeds),
        "rounding": ROUNDED,
        "resize": "none",
    }


def seed_ranges(seeds: Sequence[int]) -> str:
    """[0, 1, 2, 7] -> '0-2,7': the inverse of `generation.parse_seeds`, whatever the order."""
    ranges: list[list[int]] = []
    for seed in seeds:
        if ranges and seed == ranges[-1][1] + 1:
            ranges[-1][1] = seed
        else:
            ranges.append([seed, seed])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)
