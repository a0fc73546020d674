"""`alphabar.recipes`, `settings`, `inspect`, `pack` and `fetch`: what can be trained, how, and on which images."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alphabar import config, names
from alphabar.errors import AlphabarError, sentences
from alphabar.registry import look_up, unknown

if TYPE_CHECKING:
    from alphabar.data import Report


@sentences()
def recipes() -> dict[str, str]:
    """The recipes by name, each with the first line of its file: what it is."""
    return {name: config.summary(name) for name in config.recipes()}


@sentences()
def settings(section: str | None = None) -> dict[str, tuple[str, str]]:
    """Every setting, as "section.key": (its default, its meaning); those of one section if it is named."""
    sections = config.sections()
    some = sections if section is None else {section: look_up(sections, section, "section")}
    return {
        f"{name}.{key}": (config.shown(model.model_fields[key].default), meaning)
        for name, model in some.items()
        for key, meaning in config.meanings(model).items()
    }


@sentences()
def inspect(
    path: str | Path,
    *,
    image_size: int | tuple[int, int] | None = None,
    resize: str = "none",
    channels: int | None = None,
    split: str = "train",
    white: float | None = None,
    out: str | Path | None = None,
) -> "Report":
    """What a folder or file of images holds: every image is read; what is skipped, and why; the settings that suit.

    out: a .png to write, with up to 64 pictures as the network will see them.
    """
    from alphabar import data, images
    from alphabar.files import outputs

    place = None if out is None else inspected_place(Path(out), Path(path))
    size = (image_size, image_size) if isinstance(image_size, int) else image_size
    options = data.DataOptions(image_size=size, resize=resize, channels=channels, split=split, white=white)
    report = data.inspect(Path(path), options)
    if place is not None:
        images.save_png(place, images.sheet(report.pictures, columns=8), report.settings, outputs.INSPECTED)
    return report


def inspected_place(out: Path, path: Path) -> Path:
    """`out`, with its folder created; AlphabarError if the pictures of an inspection of `path` cannot go there."""
    from alphabar.files import outputs

    if out.suffix.lower() != ".png":
        raise AlphabarError(f"The pictures of an inspection are a .png file; --out is {out}.")
    outputs.check(out, outputs.INSPECTED, [path])
    outputs.prepare(out.parent, path=out)
    return out


_OF_TRAINING = ("name", "path", "root", "split", "horizontal_flip", "augment")


@sentences()
def pack(
    source: str | Path,
    out: str | Path,
    *,
    overrides: Mapping[str, Any] | Sequence[str] = (),
    say: Callable[[str], None] | None = None,
) -> list[str]:
    """Decode the images of `source` once, all splits of it, into the new folder `out`, which can be trained on.

    overrides: the settings of [data] that say how files become images: {"data.image_size": 64, "data.resize": "crop"}.
    A pack that was begun and killed is completed. Returns a line about each split.
    """
    settings = config.merge({}, overrides)
    wrong = [f"{section}.{name}" for section, values in settings.items() for name in values if section != "data"]
    wrong += [f"data.{name}" for name in settings.get("data", {}) if name in _OF_TRAINING]
    if wrong:
        raise AlphabarError(f"Packing takes the settings of [data] that say how files become images; got {wrong[0]}.")
    section = config.parse(config.merge(settings, {"data.path": str(source), "training.steps": 1})).data

    from alphabar import build, data
    from alphabar.data.memory import in_bytes
    from alphabar.files import outputs

    outputs.check_folder(Path(out), "OUT")
    outputs.check_apart(Path(out), [Path(source)], "OUT")
    record = data.pack_source(build.data_options(section), Path(out), say or (lambda line: None))
    shape = "x".join(map(str, record.shape))
    return [
        *(f"{split}  {part.count:,} images {shape}" for split, part in record.splits.items()),
        f"{out}  {in_bytes(record.nbytes())}",
    ]


@sentences()
def fetch(name: str, data_root: Path | None = None) -> list[str]:
    """Download a published data set, or "inception" (the weights behind FID), unless it is in the cache.

    Files are checked against their published checksums. Returns a line about each part.
    """
    if name == "inception":
        from alphabar.evaluation import fetch_inception

        return [f"inception  {fetch_inception()}"]
    if name not in names.PUBLISHED_DATA:
        raise AlphabarError(unknown("download", name, ("inception", *names.PUBLISHED_DATA)))
    from alphabar import data

    parts = {
        split: data.load(name, data.DataOptions(data_root=data_root, split=split)) for split in data.PUBLISHED_SPLITS
    }
    return [f"{name} {split}  {len(images):,} images, {images.source}" for split, images in parts.items()]
