"""What is compared with: a data set, a folder or an .npz of real images, or statistics of them in a file."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alphabar import build, data
from alphabar.config import Data
from alphabar.data import DATASETS, DataOptions, ImageSet, NoSplitError
from alphabar.data.options import sized
from alphabar.errors import AlphabarError
from alphabar.evaluation.statistics_file import Statistics, arrays, read_statistics
from alphabar.images import Size


@dataclass(frozen=True)
class Reference:
    """Real images, or statistics alone; other images of the same kind that were held out; what to say of them."""

    images: ImageSet | None
    statistics: Statistics | None
    held_out: ImageSet | None
    about: Mapping[str, Any]

    @property
    def n(self) -> int | None:
        """How many images; of statistics, what they say."""
        if self.images is not None:
            return len(self.images)
        return self.statistics.moments.n or None if self.statistics else None


def of_training(section: Data, fingerprint: str, label: int | None) -> Reference:
    """The images of a run's [data], those of class `label` alone if there is one, and those of its test split.

    fingerprint: of the images that it was trained on, which need not be there any more.
    """
    found = _with_held_out(section.name, build.data_options(section), {"name": section.name})
    assert found.images is not None
    facts = {"is_what_was_trained_on": section.split == "train" and found.images.fingerprint() == fingerprint}
    if label is None:
        return replace(found, about={**found.about, **facts})
    images, held_out = (part and _of_class(part, label) for part in (found.images, found.held_out))
    return replace(found, images=images, held_out=held_out, about={**found.about, **facts, "class": label})


def of_name(
    text: str, split: str, shape: tuple[int, int, int], image_size: Size | None, resize: str, root: Path | None
) -> Reference:
    """A name of DATASETS, or a path; brought to the shape (C, H, W) of the images that are evaluated."""
    size = image_size or (None if resize == "none" else shape[1:])
    if text in set(DATASETS) - {"folder", "idx", "npz"}:
        options = DataOptions(data_root=root, split=split, image_size=size, resize=resize, channels=shape[0])
        return _with_held_out(text, options, {"name": text})
    path = Path(text)
    names = arrays(path) if path.suffix.lower() == ".npz" else set()
    statistics = read_statistics(path) if "mu" in names else None
    if statistics and not names & {"arr_0", "images"}:
        return Reference(None, statistics, None, {"path": text, "sha256": statistics.file_sha256})
    if not path.exists():
        raise AlphabarError(
            f"There is no data set and no path '{text}'; choose one of cifar10, digits, fashion_mnist, mnist, "
            "twemoji, or name a folder or an .npz."
        )
    options = DataOptions(path=path, split=split, image_size=size, resize=resize, channels=shape[0])
    return replace(_with_held_out(data.detect(path), options, {"path": text}), statistics=statistics)


def check_shapes(reference: Reference, shape: tuple[int, int, int]) -> None:
    """AlphabarError unless the reference and what is held out have images of `shape`."""
    for what, images in (("reference", reference.images), ("held-out", reference.held_out)):
        if images is not None and images.shape != shape:
            theirs, ours = ("x".join(map(str, s)) for s in (images.shape, shape))
            raise AlphabarError(
                f"The {what} images are {theirs} and the evaluated ones {ours}; bring them there with "
                f"--image-size {sized(shape[1:])} and --resize crop, pad or stretch, as it was done for training."
            )


def _of_class(images: ImageSet, label: int) -> ImageSet:
    assert images.labels is not None  # a model is told classes only where its images had some
    return replace(images, images=images.images[images.labels == label], labels=images.labels[images.labels == label])


def _with_held_out(name: str, options: DataOptions, where: Mapping[str, Any]) -> Reference:
    found = data.load(name, options)
    held_out = None
    if options.split == "train":
        try:
            held_out = data.load(name, replace(options, split="test"))
        except NoSplitError:
            held_out = None
    return Reference(found, None, held_out, {**where, **about(found, options)})


def about(found: ImageSet, options: DataOptions) -> dict[str, Any]:
    """How the images of a set came to be as they are."""
    return {
        "split": options.split,
        "n": len(found),
        "channels": found.shape[0],
        "source": found.source,
        "fingerprint": found.fingerprint(),
        "resize": options.resize,
        "image_size": None if options.image_size is None else sized(options.image_size),
        "rounding": "uint8 as stored" if options.resize == "none" else "rounded to uint8 by Pillow",
    }
