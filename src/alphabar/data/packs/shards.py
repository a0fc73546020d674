"""WebDataset shards, tar archives of x.jpg beside x.cls or x.json, as the origin of a pack."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from alphabar.data import tarball
from alphabar.data.decode import SUFFIXES
from alphabar.data.decoding import Encoded
from alphabar.data.files import UnreadableError, shown
from alphabar.data.members import Member, contents, members
from alphabar.data.options import MEGAPIXEL, SPLITS, DataOptions
from alphabar.data.packs import streams
from alphabar.data.packs.origin import Origin
from alphabar.data.packs.streams import Stream
from alphabar.data.split_names import split_of
from alphabar.errors import AlphabarError
from alphabar.files import json_text

_LABELS = (".cls", ".json")
_LARGEST_LABEL = 1 << 20  # bytes
_MOST_BYTES = 16  # per pixel of the limit; a file that is larger is not read
_NUMBER = re.compile(r"[-_.]?\d+([-_]of[-_]\d+)?$")


def tars(path: Path) -> list[Path]:
    """The shards at `path`: the tar archives in a folder and its sub-folders, sorted; or itself."""
    if path.is_file():
        return [path] if path.name.lower().endswith(tarball.SUFFIXES) else []
    return sorted(file for file in path.glob("**/*") if file.name.lower().endswith(tarball.SUFFIXES) and file.is_file())


def are_shards(path: Path) -> bool:
    """Whether a folder holds tar archives, or a tar archive begins with an image and its label."""
    found = tars(path)
    if not found or path.is_dir():
        return bool(found)
    first = [member.path for member, _ in zip(members(path), range(8), strict=False)]
    keys = {_parts(name)[0] for name in first if _parts(name)[1] == ".cls"}
    return any(_parts(name)[0] in keys and name.suffix.lower() in SUFFIXES for name in first)


def origin(options: DataOptions) -> Origin:
    """The splits of the shards at options.path, which the names of the files or of their folders say."""
    assert options.path is not None
    root = options.path
    splits: dict[str, list[Path]] = {}
    for tar in tars(root):
        splits.setdefault(_split(root, tar), []).append(tar)
    state = {
        f"{split}/{tar.name}": [(status := tar.stat()).st_size, status.st_mtime_ns]
        for split, files in splits.items()
        for tar in files
    }
    found = {split: Stream(partial(_read, files, options)) for split, files in splits.items()}
    order = {split: found[split] for split in SPLITS if split in found}
    name = shown(Path(root.resolve().name if root.is_dir() else _NUMBER.sub("", root.name.split(".")[0]) or root.name))
    return streams.origin(name, shown(root), state, order, options)


def _split(root: Path, tar: Path) -> str:
    stem = tar.name.split(".")[0]
    folders = tar.relative_to(root).parts[:-1] if root.is_dir() else ()
    for part in (*folders, _NUMBER.sub("", stem)):
        if named := split_of(part):
            return named[0]
    return "train"


def _read(files: list[Path], options: DataOptions, start: int) -> Iterator[Encoded]:
    """The images of the shards from number `start` on; those before are passed over, and not kept."""
    number = 0
    for tar in files:
        for image, label in _samples(tar, options, skip=start - number):
            if number >= start:
                yield Encoded(Path(shown(Path(tar.name))) / image.name, image.content, label)
            number += 1


def _samples(tar: Path, options: DataOptions, skip: int) -> Iterator[tuple[Encoded, int]]:
    """The image and the label of each sample; files of one sample follow each other and share their key.

    The first `skip` images are not read.
    """
    key, image, label, count = "", None, -1, 0
    for member in members(tar):
        found, suffix = _parts(member.path)
        if found != key:
            if image is not None:
                yield image, label
            key, image, label = found, None, -1
        if member.path.suffix.lower() in SUFFIXES and image is None:
            content = b"" if count < skip else _content(tar, member, _MOST_BYTES * max(options.limit_pixels, MEGAPIXEL))
            image = Encoded(Path(member.path), content)
            count += 1
        elif suffix in _LABELS:
            label = max(label, _label(tar, member))
    if image is not None:
        yield image, label


def _parts(path: PurePosixPath) -> tuple[str, str]:
    """(key, suffix) of a file: everything before and from the first dot of its name."""
    stem, dot, suffix = path.name.partition(".")
    return f"{path.parent}/{stem}", (dot + suffix).lower()


def _content(tar: Path, member: Member, most: int) -> bytes:
    if member.size > most:
        raise UnreadableError(tar, f"its {member.path} claims {member.size:,} bytes, more than is read of such a file")
    return b"".join(contents(tar, member))


def _label(tar: Path, member: Member) -> int:
    """The number of a class; -1 if the file says none."""
    raw = _content(tar, member, _LARGEST_LABEL)
    try:
        value = json_text.parsed(raw)
    except ValueError:
        raise UnreadableError(tar, f"its {member.path} is not the number of a class") from None
    if isinstance(value, dict):
        value = value.get("label", value.get("cls", -1))
    if type(value) is not int or value < 0:
        if member.path.suffix == ".json":
            return -1
        raise AlphabarError(f"The classes in {shown(tar)} must be numbers from 0 on; {member.path} has {value!r:.40}.")
    return value
