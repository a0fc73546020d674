"""The reference of an evaluation: a data set, a folder or an .npz of real images, or statistics of them in a file."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from alphabar import build, data, names
from alphabar.data import DataOptions, ImageSet, NoSplitError
from alphabar.data.options import sized
from alphabar.errors import AlphabarError
from alphabar.evaluation.statistics_file import Statistics, array_names, read_statistics
from alphabar.runs.model import LoadedModel

NO_TEST_SPLIT = "the reference has no test split"


@dataclass(frozen=True)
class Reference:
    """Real images, or statistics alone; held-out images of the same data set; and the entry of the row about them."""

    images: ImageSet | None
    statistics: Statistics | None
    held_out: ImageSet | None
    about: Mapping[str, Any]
    why_not_held_out: str = NO_TEST_SPLIT
    """For a reference without held-out images."""

    @property
    def n(self) -> int | None:
        """The number of images, or the number that the statistics state; None if they state none."""
        if self.images is not None:
            return len(self.images)
        return self.statistics.moments.n or None if self.statistics else None


def of_run(model: LoadedModel, label: int | None = None, split: str | None = None) -> Reference:
    """The images of a run's [data] and of its test split; those of class `label` alone, if one is named."""
    section, images = model.data(split), model.images(split)
    try:
        held_out = model.images("test") if section.split == "train" else None
    except NoSplitError:
        held_out = None
    own = model.facts.fingerprint  # not known of an imported model
    is_own = section.split == "train" and images.fingerprint() == own if own else None
    facts = {"name": section.name, **about(images, build.data_options(section)), "is_what_was_trained_on": is_own}
    if label is None:
        return Reference(images, None, held_out, facts)
    one_class = _of_class(images, label)
    if one_class is None:
        raise AlphabarError(
            f"The {section.split} images in {images.source} hold none of class {label} ({images.class_names[label]}), "
            "so images of that class have no reference; choose another --class or --split."
        )
    facts = {**facts, "n": len(one_class), "class": label}
    of_class = None if held_out is None else _of_class(held_out, label)
    is_empty = held_out is not None and of_class is None
    why = f"the test split holds no image of class {label} ({images.class_names[label]})" if is_empty else NO_TEST_SPLIT
    return Reference(one_class, None, of_class, facts, why)


def of_name(text: str, options: DataOptions) -> Reference:
    """A data set by name, or a path, whose images are read as `options` say."""
    if text in names.PUBLISHED_DATA:
        return _with_held_out(text, replace(options, white=None), {"name": text})
    path = Path(text)
    entries = array_names(path) if path.suffix.lower() == ".npz" else set()
    statistics = read_statistics(path) if "mu" in entries else None
    if statistics and not entries & {"arr_0", "images"}:
        return Reference(None, statistics, None, {"path": text, "sha256": statistics.file_sha256})
    if not path.exists():
        raise AlphabarError(
            f"There is no data set and no path '{text}'; choose one of {', '.join(sorted(names.PUBLISHED_DATA))}, "
            "or name a folder or an .npz."
        )
    own = replace(options, path=path, data_root=None)
    return replace(_with_held_out(data.detect(path), own, {"path": text}), statistics=statistics)


def check_shapes(reference: Reference, shape: tuple[int, int, int]) -> None:
    """AlphabarError unless the reference and the held-out images have this shape."""
    for what, images in (("reference", reference.images), ("held-out", reference.held_out)):
        if images is not None and images.shape != shape:
            theirs, ours = ("x".join(map(str, s)) for s in (images.shape, shape))
            raise AlphabarError(
                f"The {what} images are {theirs} and the evaluated ones {ours}; resize them with --image-size "
                f"{sized(shape[1:])} and --resize crop, pad or stretch, as was done for training."
            )


def _of_class(images: ImageSet, label: int) -> ImageSet | None:
    """The images of one class; None if there are none."""
    rows = torch.zeros(0, dtype=torch.int64) if images.labels is None else (images.labels == label).nonzero().flatten()
    if not len(rows):
        return None
    stored, larger = (None if part is None else part[rows] for part in (images.stored, images.larger))
    labels = torch.full_like(rows, label)
    return replace(images, images=images.images[rows], labels=labels, stored=stored, larger=larger)


def _with_held_out(name: str, options: DataOptions, where: Mapping[str, Any]) -> Reference:
    images = data.load(name, options)
    held_out = None
    if options.split == "train":
        try:
            held_out = data.load(name, replace(options, split="test"))
        except NoSplitError:
            held_out = None
    return Reference(images, None, held_out, {**where, **about(images, options)})


def about(images: ImageSet, options: DataOptions) -> dict[str, Any]:
    """How the images of a set were made: their source, size, resize rule and background.

    levels: the lowest and the highest that are stored, and those that are white and black; None where nobody tells.
    transparent: how many of them are on the background with a part, as far as the source tells.
    """
    return {
        **({"crop": options.crop} if options.crop != "centre" else {}),
        **({"holdout": options.holdout} if options.holdout else {}),
        "split": options.split,
        "n": len(images),
        "channels": images.shape[0],
        "background": list(options.background),
        "white": options.white,
        "levels": images.contents.levels and asdict(images.contents.levels),
        "transparent": images.contents.transparent,
        "source": images.source,
        "fingerprint": images.fingerprint(),
        "resize": options.resize,
        "image_size": None if options.image_size is None or options.resize == "none" else sized(options.image_size),
        "rounding": "uint8 as stored" if options.resize == "none" else "rounded to uint8 by Pillow",
    }
