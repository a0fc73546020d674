"""Data sets of Hugging Face, streamed or on disk, as the origin of a pack. They need the extra alphabar[datasets]."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from alphabar.data.decoding import Encoded
from alphabar.data.files import open_regular, printable, read_whole, shown
from alphabar.data.options import SPLITS, DataOptions
from alphabar.data.packs import streams
from alphabar.data.packs.origin import Origin
from alphabar.data.packs.streams import Stream
from alphabar.errors import AlphabarError

PREFIX = "hf:"
_NAMES = {"train": "train", "validation": "val", "valid": "val", "val": "val", "dev": "val", "test": "test"}
_LARGEST = 1 << 30  # bytes of an image file
_IMAGES, _LABELS = ("image", "img"), ("label", "labels", "fine_label")


def is_saved(path: Path) -> bool:
    """Whether a folder was written by `save_to_disk`."""
    return (path / "dataset_dict.json").is_file() or (
        (path / "dataset_info.json").is_file() and (path / "state.json").is_file()
    )


def origin(source: str, options: DataOptions) -> Origin:
    """The splits of hf:NAME, hf:NAME:CONFIG, which are streamed, or of a folder that `save_to_disk` wrote."""
    datasets = _datasets(source)
    try:
        if source.startswith(PREFIX):
            name, _, config = source.removeprefix(PREFIX).partition(":")
            found = datasets.load_dataset(name, config or None, streaming=True)
        else:
            found = datasets.load_from_disk(source)
    except Exception as error:  # whatever its files, the network or the server are the cause of
        raise AlphabarError(
            f"The data set {shown(Path(source))} cannot be opened ({printable(str(error))[:200]})."
        ) from None
    tables = found if isinstance(found, dict) else {str(found.split or "train"): found}
    splits = {_NAMES[name]: table for name, table in tables.items() if name in _NAMES}
    if not splits:
        raise AlphabarError(f"{shown(Path(source))} has no split {', '.join(_NAMES)}, only {', '.join(tables)[:200]}.")
    state = {split: [_count(table), str(table.features)] for split, table in splits.items()}
    found = {split: _stream(datasets, splits[split], source) for split in SPLITS if split in splits}
    name = printable(Path(source.removeprefix(PREFIX)).name)
    return streams.origin(name, printable(source), [source, state], found, options)


def _datasets(source: str) -> Any:
    try:
        import datasets
    except ModuleNotFoundError:
        raise AlphabarError(
            f'{printable(source)} needs datasets to be read: pip install "alphabar[datasets]".'
        ) from None
    return datasets


def _stream(datasets: Any, table: Any, source: str) -> Stream:
    features = dict(table.features or {})
    images = [name for name, feature in features.items() if isinstance(feature, datasets.Image)]
    labels = [name for name, feature in features.items() if isinstance(feature, datasets.ClassLabel)]
    image = _chosen(images, _IMAGES)
    if image is None:
        have = printable(", ".join(features))[:200] or "none that are known"
        raise AlphabarError(f"{printable(source)} has no column 'image' of images; its columns are {have}.")
    label = _chosen(labels, _LABELS)
    names = tuple(map(printable, features[label].names)) if label else ()
    files = table.cast_column(image, datasets.Image(decode=False))
    return Stream(partial(_read, files, image, label), _count(table), names)


def _count(table: Any) -> int | None:
    """The number of rows, if it is known before they are read."""
    if hasattr(table, "__len__"):
        return len(table)
    known = (table.info.splits or {}).get(str(table.split))
    return known.num_examples if known is not None and known.num_examples else None


def _chosen(fitting: list[str], usual: tuple[str, ...]) -> str | None:
    named = [name for name in usual if name in fitting]
    return named[0] if named else fitting[0] if len(fitting) == 1 else None


def _read(files: Any, image: str, label: str | None, start: int) -> Iterator[Encoded]:
    for number, row in enumerate(files.skip(start), start):
        cell = row[image] or {}
        content, path = cell.get("bytes"), cell.get("path")
        if content is None and path:
            with open_regular(Path(path)) as file:
                content = read_whole(file, _LARGEST)
        value = row[label] if label is not None else None
        yield Encoded(Path(f"image {number}"), content or b"", -1 if value is None else int(value))
