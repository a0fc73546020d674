"""`alphabar.recipes`, `settings`, `inspect` and `fetch`: what can be trained, how, and on which images."""

from pathlib import Path
from typing import TYPE_CHECKING

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
    from alphabar import data, images, outputs

    place = None if out is None else inspected_place(Path(out), Path(path))
    size = (image_size, image_size) if isinstance(image_size, int) else image_size
    options = data.DataOptions(image_size=size, resize=resize, channels=channels, split=split, white=white)
    report = data.inspect(Path(path), options)
    if place is not None:
        images.save_png(place, images.sheet(report.pictures, columns=8), report.settings, outputs.INSPECTED)
    return report


def inspected_place(out: Path, path: Path) -> Path:
    """`out`, with its folder created; AlphabarError if the pictures of an inspection of `path` cannot go there."""
    from alphabar import outputs

    if out.suffix.lower() != ".png":
        raise AlphabarError(f"The pictures of an inspection are a .png file; --out is {out}.")
    outputs.check(out, outputs.INSPECTED, [path])
    outputs.prepare(out.parent, path=out)
    return out


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
