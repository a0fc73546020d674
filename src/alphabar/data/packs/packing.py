"""`alphabar data pack`: whatever can be packed, by its path."""

from dataclasses import replace
from pathlib import Path

from alphabar.data.archive import named_after, stem, unpacked
from alphabar.data.files import NoSplitError, shown
from alphabar.data.image_set import ImageSet
from alphabar.data.listing import list_files
from alphabar.data.options import SPLITS, DataOptions
from alphabar.data.packs import arrays, folders, hub, record, shards
from alphabar.data.packs.origin import Origin
from alphabar.data.packs.writing import Say, pack
from alphabar.data.sources import detect, load
from alphabar.data.windows import roomy
from alphabar.errors import AlphabarError


def pack_source(options: DataOptions, out: Path, say: Say) -> record.Record:
    """Packs what lies at options.path, all splits of it, into the new folder `out`; what `pack` began is completed.

    AlphabarError if there is something at `out`, or if the source cannot be read.
    """
    if out.exists() or out.is_symlink():
        what = "is a pack already" if record.is_pack(out) else "is there already"
        raise AlphabarError(f"{shown(out)} {what}; name a new folder, or remove it.")
    origin = _origin(options)
    out.parent.mkdir(parents=True, exist_ok=True)
    pack(origin, out, say)
    return record.read(out)


def _origin(options: DataOptions) -> Origin:
    path = options.path
    assert path is not None
    if str(path).startswith(hub.PREFIX) or hub.is_saved(path):
        return hub.origin(str(path), options)
    if shards.are_shards(path) and not (path.is_dir() and list_files(path).images):
        return shards.origin(options)
    kind = detect(path)
    if kind == "packed":
        raise AlphabarError(f"{shown(path)} is a pack already; name what it was made of.")
    if kind == "folder":
        return folders.origin(options)
    if kind != "archive":
        return _arrays(kind, options)
    place = unpacked(path)
    with named_after(path, place):
        return replace(folders.origin(replace(options, path=place)), name=stem(path), source=shown(path))


def _arrays(kind: str, options: DataOptions) -> Origin:
    sets: dict[str, ImageSet] = {}
    for split in SPLITS:
        try:
            sets[split] = load(kind, replace(roomy(options), split=split))
        except NoSplitError:
            continue
    return arrays.origin(sets, options)
