"""Packs in the cache, of folders that do not fit into memory: made once, and again when the folder has changed."""

from dataclasses import replace
from pathlib import Path

from alphabar.data.archive import named_after, stem, unpacked
from alphabar.data.files import exists, shown
from alphabar.data.listing import list_files
from alphabar.data.memory import in_bytes
from alphabar.data.options import DataOptions
from alphabar.data.packs import folders, record
from alphabar.data.packs.origin import Origin
from alphabar.data.packs.writing import Say, pack
from alphabar.errors import AlphabarError
from alphabar.files import cache_folder, digest

KINDS = ("folder", "archive")
"""The sources that are packed by themselves."""


def kept(kind: str, options: DataOptions) -> Path | None:
    """The pack that was made of a folder or an archive with these options, if the files are the same still."""
    if kind not in KINDS or options.path is None or not record.is_pack(place := _place(options)):
        return None
    root = _root(kind, options.path)
    try:
        known = record.read(place).origin
    except AlphabarError:
        return None
    return place if known == folders.state(root, list_files(root), options) else None


def keep(kind: str, options: DataOptions, say: Say) -> Path:
    """Packs a folder or an archive into the cache, and says so."""
    assert options.path is not None
    place, root = _place(options), _root(kind, options.path)
    splits = ("train", "test") if options.holdout and options.split != "val" else (options.split,)
    with named_after(options.path, root):
        origin = folders.origin(replace(options, path=root), splits)
        if kind == "archive":
            origin = replace(origin, name=stem(options.path))
        say(_announced(options.path, origin, place))
        place.parent.mkdir(parents=True, exist_ok=True)
        pack(origin, place, say, wait=True)
    return place


def _root(kind: str, path: Path) -> Path:
    return unpacked(path) if kind == "archive" else path


def _place(options: DataOptions) -> Path:
    """The folder in the cache for a source and the options that it is read with."""
    assert options.path is not None
    path = options.path.resolve() if exists(options.path) else options.path
    what = {"path": shown(path), "split": options.split, "how": folders.how(options)}
    if options.holdout and options.split != "val":
        what["split"] = "train and test"
    return cache_folder("packs") / digest(what)[:32]


def _announced(path: Path, origin: Origin, place: Path) -> str:
    channels, height, width = origin.shape
    total = sum(pictures.total or 0 for pictures in origin.splits.values())
    return (
        f"{shown(path)} does not fit into memory: its {total:,} images are packed once into {shown(place)}, "
        f"{in_bytes(total * channels * height * width)}, and read from there."
    )
