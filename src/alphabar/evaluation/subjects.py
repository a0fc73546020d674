"""What is evaluated: a run, whose images are drawn first; a folder; or an .npz. And all that is known of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from alphabar import data
from alphabar.data import DataOptions, ImageSet
from alphabar.errors import AlphabarError
from alphabar.evaluation import references
from alphabar.evaluation.features import random_order
from alphabar.images import Size
from alphabar.runs import bundled as shipped
from alphabar.runs import checkpoint
from alphabar.runs.model import load_model
from alphabar.runs.run import Run
from alphabar.sampling import folder as gallery
from alphabar.sampling.draw import Drawing, draw_into, planned, section
from alphabar.sampling.job import parse_seeds

_FLAGS = {"label": "--class"}
ROUNDED = "round((x + 1) * 127.5) to uint8"


@dataclass(frozen=True)
class Subject:
    """The images, and what to say of them."""

    images: ImageSet
    about: Mapping[str, Any]


def plan(
    path: Path, asked: Mapping[str, Any], count: int, device: torch.device, data_root: Path | None = None
) -> Drawing | None:
    """What a run, or one of its checkpoints, is to draw; None if `path` is none."""
    is_run = Run(path).config.exists() and Run(path).checkpoints.is_dir()
    if not (is_run or shipped.ships(path) or (checkpoint.is_one(path) and (path / checkpoint.MANIFEST).exists())):
        if asked:
            flags = ", ".join(_FLAGS.get(name, f"--{name.replace('_', '-')}") for name in asked)
            raise AlphabarError(f"{path} is no run, so nothing is drawn from it; leave out {flags}.")
        return None
    changes = dict(asked)
    seeds, label = changes.pop("seeds", None), changes.pop("label", None)
    model = load_model(path, changes.pop("weights", "ema"), device, changes.pop("step", None))
    chosen = section(model, changes)
    wanted = range(count) if seeds is None else parse_seeds(seeds)
    if twice := [seed for seed, times in Counter(wanted).items() if times > 1]:
        raise AlphabarError(f"Seed {twice[0]} is named twice in --seeds; each image counts once.")
    return planned(path, model, chosen, wanted, label, None, data_root)


def of_drawing(drawing: Drawing, device: torch.device) -> Subject:
    """The images of a run; those that are missing are drawn."""
    drawn = draw_into(drawing, device)
    return _subject(drawn, drawing.folder, _about_drawn(drawing.settings, drawing.job.seeds))


def of_path(path: Path, image_size: Size | None, resize: str, count: int | None) -> Subject:
    """The images of a folder that `alphabar sample` made, of any other folder, or of an .npz; or `count` of them.

    Which is random, and always the same: a folder may be sorted by class.
    """
    if (sampled := gallery.read(path)) is not None:
        drawn, settings, seeds = sampled
        rows = _some(len(drawn), count, path)
        return _subject(drawn[rows], path, _about_drawn(settings, [seeds[row] for row in rows]))
    options = DataOptions(path=path, image_size=image_size, resize="none" if image_size is None else resize)
    found = data.load(data.detect(path), options)
    rows = _some(len(found), count, path)
    about = references.about(found, options)
    return _subject(found.images[rows], path, {name: about[name] for name in ("resize", "image_size", "rounding")})


def _some(there: int, count: int | None, source: Path) -> list[int]:
    """Which of the images that are there are evaluated."""
    if count is None or count == there:
        return list(range(there))
    if count > there:
        raise AlphabarError(f"{source} holds {there:,} images; --count {count} asks for more.")
    return sorted(random_order(there)[:count].tolist())


def _subject(images: torch.Tensor, source: Path, about: Mapping[str, Any]) -> Subject:
    found = ImageSet(name="generated", images=images, labels=None, class_names=(), source=str(source))
    return Subject(found, {"path": str(source), "fingerprint": found.fingerprint(), **about})


def _about_drawn(settings: Mapping[str, Any], seeds: Sequence[int]) -> dict[str, Any]:
    told = {name: value for name, value in settings.items() if name not in ("alphabar", "seeds", "classes")}
    return {
        **told,
        "drawn_by": f"alphabar {settings.get('alphabar')}",
        "nfe": settings.get("network_calls", settings["steps"]),
        "seeds": seed_ranges(seeds),
        "rounding": ROUNDED,
        "resize": "none",
        "image_size": None,
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
