"""Origin -> pack: written shard by shard beside its place, hashed once more as it lies on the disk, then renamed."""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from alphabar.data.classes import numbered
from alphabar.data.contents import Contents, Levels, counted
from alphabar.data.files import UnreadableError, open_regular, shown
from alphabar.data.fit import where_padded
from alphabar.data.holdout import none_left, said
from alphabar.data.image_set import start_of_fingerprint
from alphabar.data.memory import in_bytes
from alphabar.data.options import manner
from alphabar.data.packs import record
from alphabar.data.packs.origin import Origin, Picture, Pictures
from alphabar.data.packs.partial import CLASSES, Partial, Shard, Taken, Written, locked, remove
from alphabar.data.survey import check_skipped, some
from alphabar.data.windows import are_random
from alphabar.errors import AlphabarError
from alphabar.terminal.progress import progress

_SHARD = 2048  # images that are written together, or
_SHARD_BYTES = 1 << 26  # so many bytes of them
_SPARE = 1 << 26  # bytes of disk that stay free

Say = Callable[[str], None]


def pack(origin: Origin, out: Path, say: Say, wait: bool = False) -> None:
    """Writes the pack `out`; a pack of the same origin that was begun and killed is completed, one of another replaced.

    wait: whether to wait for another process that writes it, and perhaps completes it. AlphabarError if it cannot
    be written, if too many images cannot be used, or if there are none.
    """
    partial = out.with_name(f".{out.name}.partial")
    try:
        with locked(partial, wait):
            if out.exists():  # another process was quicker, or it is of other images
                if _is_finished(out, origin):
                    remove(partial)
                    return
                shutil.rmtree(out)
            if not _is_finished(partial, origin):
                _write(origin, Partial(partial, origin.digest, origin.shape), say)
            _tidy(partial)
            partial.rename(out)
            remove(partial)
    except OSError as error:
        raise AlphabarError(f"Cannot write the pack {shown(out)}: {error.strerror or error}.") from error


def _is_finished(folder: Path, origin: Origin) -> bool:
    """Whether a folder holds the whole pack."""
    try:
        return record.is_pack(folder) and record.read(folder).origin == origin.digest
    except UnreadableError:
        return False


def _tidy(partial: Path) -> None:
    """Remove what was needed only while the pack was written."""
    splits = record.read(partial).splits
    files = [record.file_of(partial, name, what) for name, split in splits.items() for what in _files(split)]
    for path in partial.iterdir():
        if path not in (*files, partial / record.NAME):
            path.unlink()


def _write(origin: Origin, unfinished: Partial, say: Say) -> None:
    _check_room(origin, unfinished)
    if have := unfinished.resumed():
        say(f"{counted(have, 'image')} {'was' if have == 1 else 'were'} packed before, and not decoded again.")
    for split, pictures in origin.splits.items():
        if not unfinished.taken.get(split, Taken()).done:
            _write_split(origin, unfinished, split, pictures)
    _finish(origin, unfinished, say)


def _check_room(origin: Origin, unfinished: Partial) -> None:
    """AlphabarError if the images do not fit onto the disk, where their number is known."""
    known = [pictures.total for pictures in origin.splits.values() if pictures.total is not None]
    need = (sum(known) - unfinished.resumed()) * (int(np.prod(origin.shape)) + 2 * record.NUMBER)
    free = shutil.disk_usage(unfinished.folder).free - _SPARE
    if need > free:
        raise AlphabarError(
            f"The pack of {origin.source} takes {in_bytes(need)}, and {shown(unfinished.folder.parent)} has room for "
            f"{in_bytes(max(free, 0))}; make room, or choose a folder on another disk."
        )


def _write_split(origin: Origin, unfinished: Partial, split: str, pictures: Pictures) -> None:
    most = max(1, min(_SHARD, _SHARD_BYTES // int(np.prod(origin.shape))))
    shard = Shard()
    for item in pictures.read(unfinished.taken.get(split, Taken()).items):
        shard.add(item, _split_of(item, split, origin) if isinstance(item, Picture) else split)
        if shard.items == most:
            unfinished.commit(split, shard, done=False)
            shard = Shard()
    unfinished.commit(split, shard, done=True)


def _split_of(picture: Picture, split: str, origin: Origin) -> str:
    """The split of the pack that an image of a split of the origin goes to."""
    if not origin.divides or split != "train":
        return split
    assert picture.traits is not None and picture.traits.place is not None
    return "test" if picture.traits.place < origin.options.holdout else "train"


def _finish(origin: Origin, unfinished: Partial, say: Say) -> None:
    for split, pictures in origin.splits.items():
        count, taken = unfinished.written.get(split, Written()).count, unfinished.taken[split]
        usable = unfinished.resumed() if origin.divides and split == "train" else count
        check_skipped(origin.source, [*pictures.skipped, *taken.skipped], usable)
        if not usable:
            raise AlphabarError(f"{origin.source} has no images in its {split} split.")
        if not count:
            raise none_left(origin.source, usable, origin.options)
        if pictures.class_names is None:
            _say_of_labels(unfinished.folder, split, say)
        if taken.skipped:
            say(f"{counted(len(taken.skipped), 'image')} skipped: {some(taken.skipped)}.")
    size = unfinished.resumed() * int(np.prod(origin.shape))
    with progress("Hashing the pack", size) as advance:
        splits = {name: _split_record(origin, unfinished, name, advance) for name in unfinished.written}
    written = record.Record(
        name=origin.name,
        source=origin.source,
        origin=origin.digest,
        shape=origin.shape,
        options=manner(origin.options),
        holdout=origin.options.holdout,
        splits=splits,  # type: ignore[arg-type]  # checked by the model
    )
    record.write(unfinished.folder, written)


def _say_of_labels(folder: Path, split: str, say: Say) -> None:
    """Says so if only some images have a class: then none is kept."""
    labels = np.fromfile(record.file_of(folder, split, CLASSES), "<i8")
    if (have := int((labels >= 0).sum())) not in (0, len(labels)):
        say(f"The classes of {split} are left out, because only {have:,} of {counted(len(labels), 'image')} have one.")


def _files(split: record.SplitRecord) -> tuple[str, ...]:
    return record.IMAGES, *split.numbers


def _split_record(
    origin: Origin, unfinished: Partial, name: str, advance: Callable[[float], None]
) -> record.SplitRecord:
    """The record of a split, from its files as they lie on the disk."""
    folder, written = unfinished.folder, unfinished.written[name]
    pictures = origin.splits.get(name, origin.splits.get("train"))
    assert pictures is not None
    labels = np.fromfile(record.file_of(folder, name, CLASSES), "<i8")
    class_names = pictures.class_names
    if class_names is None and (labels >= 0).all():
        positions, class_names = numbered(labels)
        labels = positions.numpy()
    numbers: dict[record.Numbers, str] = {}
    if class_names:
        labels.astype("<i8").tofile(record.file_of(folder, name, record.LABELS))
        numbers[record.LABELS] = hashlib.sha256(labels.tobytes()).hexdigest()
    stored = torch.from_numpy(np.fromfile(record.file_of(folder, name, record.STORED), "<i8"))
    if where_padded(stored, origin.shape) is not None:
        numbers[record.STORED] = hashlib.sha256(stored.numpy().tobytes()).hexdigest()
    return record.SplitRecord(
        count=written.count,
        class_names=class_names or (),
        parts=tuple(written.parts),
        numbers=numbers,
        fingerprints=_fingerprints(origin, folder, name, written, labels.tobytes() if class_names else b"", advance),
        contents=_contents(origin, unfinished, name, pictures),
    )


def _fingerprints(
    origin: Origin, folder: Path, name: str, written: Written, labels: bytes, advance: Callable[[float], None]
) -> dict[str, str]:
    """The fingerprints of the images, by the size that is seen. UnreadableError if the disk gave back other images."""
    options, each = origin.options, int(np.prod(origin.shape))
    shapes = [origin.shape]
    if are_random(options) and options.image_size is not None:
        shapes.append((origin.shape[0], *options.image_size))
    digests = {record.key(shape): start_of_fingerprint((written.count, *shape)) for shape in shapes}
    path = record.file_of(folder, name, record.IMAGES)
    with open_regular(path) as file:
        for part in written.parts:
            raw = file.read(part.count * each)
            if hashlib.sha256(raw).hexdigest() != part.sha256:
                raise UnreadableError(path, "it does not hold what was written; look at the disk")
            for digest in digests.values():
                digest.update(raw)
            advance(len(raw))
    for digest in digests.values():
        digest.update(labels)
    return {shape: digest.hexdigest() for shape, digest in digests.items()}


def _contents(origin: Origin, unfinished: Partial, name: str, pictures: Pictures) -> Contents:
    known = pictures.contents
    if unfinished.written[name].levels is None:
        return known
    divides = origin.divides and name in ("train", "test")
    split = "train" if divides else name
    skipped = len(pictures.skipped) + len(unfinished.taken[split].skipped)
    every = [unfinished.written[each] for each in ("train", "test") if each in unfinished.written] if divides else []
    levels = [each.levels for each in every or [unfinished.written[name]] if each.levels is not None]
    whole, own = sum(each.count for each in every), unfinished.written[name]
    return replace(
        known,
        split=name,
        levels=Levels.of(levels),
        transparent=own.transparent,
        held_out=said(name, whole, own.count, origin.options.holdout) if divides else "",
        left_out=((f"{counted(skipped, 'image')} that cannot be used",) if skipped else ()) + known.left_out,
    )
