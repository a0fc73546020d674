"""Arrays of images in NumPy's files: `.npz`, with or without labels and splits, and `.npy`."""

import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from alphabar.data.classes import numbered
from alphabar.data.contents import counted, some
from alphabar.data.files import UnreadableError, check_split, open_regular, printable, shown
from alphabar.data.fit import fitted
from alphabar.data.image_set import ImageSet
from alphabar.data.memory import DEFLATE_RATIO
from alphabar.data.npy import MAGIC, Header, read_header, read_values
from alphabar.data.options import SPLITS, DataOptions
from alphabar.data.split_names import split_of
from alphabar.errors import AlphabarError

SUFFIXES = (".npz", ".npy")

_IMAGES = ("arr_0", "images")
_LABELS = ("arr_1", "labels", "label", "y", "targets")
_MOST_CLASSES = 1 << 20  # a larger label must be a mistake
_MOST_ARRAYS = 10_000
_SMALLEST_SIDE = 5  # where the last axis of three is shorter, the array may be one image
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what NumPy writes


def npz(options: DataOptions) -> ImageSet:
    """Your own .npz or .npy of images, (N, H, W) or (N, H, W, C); an .npz may have labels (N,) and splits.

    Values are uint8, or floats in [0, 1] or [-1, 1]. The images are `arr_0` or `images`, or the only array that can be
    images; the labels `arr_1` or `labels`. Splits are recognised as MedMNIST and Keras write them: `train_images` and
    `train_labels`, or `x_test` and `y_test`. Pickles are refused.
    """
    path = options.path
    if path is None:
        raise AlphabarError("data.name=npz needs a file; set data.path.")
    with _opened(path) as file:
        chosen = _chosen(file, options)
        images = _images(file, chosen.images)
        labels, left_out = None, list(chosen.left_out)
        if chosen.labels is not None:
            shape = file.header(chosen.labels).shape
            if len(shape) == 2 and shape[0] == len(images) and shape[1] > 1:
                left_out.append(f"the array {printable(chosen.labels)}, with {shape[1]:,} labels for each image")
            else:
                labels = _labels(file, chosen.labels, len(images))
    what = shown(path) if chosen.images in ("", *_IMAGES) else f"{shown(path)} ({printable(chosen.images)})"
    arrays = fitted(images, options, what)
    arrays["contents"] = replace(arrays["contents"], splits=chosen.splits, left_out=tuple(left_out))
    classes, class_names = (None, ()) if labels is None else numbered(labels)
    return ImageSet(
        name=printable(path.stem),
        **arrays,
        labels=classes,
        class_names=class_names,
        source=what,
    )


def arrays(path: Path, names: Iterable[str]) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an .npz that are called one of `names`, by name; UnreadableError if one of them cannot be read."""
    with _opened(path) as file:
        for name in (have := [name for name in names if name in file.names]):
            file.header(name)
        return {name: file.values(name) for name in have}


class _Arrays:
    """The arrays of a file by name; that of an .npy has the name ""."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self.path = path
        self._file = file
        self._archive = None if file.read(len(MAGIC)) == MAGIC else zipfile.ZipFile(file)
        self._members: dict[str, zipfile.ZipInfo] = {}
        for member in self._archive.infolist() if self._archive else ():
            name = member.filename.removesuffix(".npy")
            if name in self._members:
                raise UnreadableError(path, f"it has two arrays called '{printable(name)}'")
            self._members[name] = member

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._members) if self._archive else ("",)

    @contextmanager
    def _stored(self, name: str) -> Iterator[tuple[IO[bytes], int]]:
        """The array, open for reading, and its size."""
        if self._archive is None:
            size = self._file.seek(0, 2)
            self._file.seek(0)
            yield self._file, size
            return
        member = self._members[name]
        if member.file_size > member.compress_size * DEFLATE_RATIO:
            raise ValueError(f"{printable(name)} claims {member.file_size:,} bytes in {member.compress_size:,}")
        if member.compress_type not in _METHODS or member.flag_bits & 1:
            raise ValueError("it is compressed or encrypted in a way that NumPy does not write")
        with self._archive.open(member) as file:
            yield file, member.file_size

    def header(self, name: str) -> Header:
        with self._stored(name) as (file, size):
            header = read_header(file)
        if header.size + header.length != size:
            raise ValueError(
                f"{printable(name) or 'it'} is declared as {header}, and has {size - header.length:,} bytes of values"
            )
        return header

    def values(self, name: str) -> npt.NDArray[Any]:
        with self._stored(name) as (file, _):
            return read_values(file, read_header(file), shown(self.path))


@contextmanager
def _opened(path: Path) -> Iterator[_Arrays]:
    with open_regular(path) as file:
        try:
            yield _Arrays(path, file)
        except zipfile.BadZipFile as error:
            raise UnreadableError(path, "it is neither .npz nor .npy, or it is damaged") from error
        except AlphabarError:
            raise
        except (ValueError, EOFError, OSError, zlib.error, NotImplementedError, RuntimeError, OverflowError) as error:
            raise UnreadableError(path, f"its arrays cannot be read ({printable(str(error))[:200]})") from error


@dataclass(frozen=True)
class _Chosen:
    """The names of the arrays to read, the splits that the file has, and what is left out."""

    images: str
    labels: str | None = None
    splits: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def _chosen(file: _Arrays, options: DataOptions) -> _Chosen:
    names = file.names
    if len(names) > _MOST_ARRAYS:
        raise UnreadableError(file.path, f"it has {len(names):,} arrays")
    images, labels = _by_split(names)
    if not images or any(name in names for name in _IMAGES):
        check_split(shown(file.path), options)
        image = next((name for name in _IMAGES if name in names), None) or _only_images(file)
        label = next((name for name in _LABELS if name in names and name != image), None)
        return _Chosen(image, label, left_out=_left_out(set(names) - {image, label}))
    have = tuple(split for split in SPLITS if split in images)
    check_split(shown(file.path), options, have)
    others = set(names) - {*images.values(), *labels.values()}
    return _Chosen(
        images[options.split], labels.get(options.split), tuple(printable(images[k]) for k in have), _left_out(others)
    )


def _by_split(names: tuple[str, ...]) -> tuple[dict[str, str], dict[str, str]]:
    """The arrays of images and of labels, by split; AlphabarError if a split has two."""
    images: dict[str, str] = {}
    labels: dict[str, str] = {}
    for name in names:
        if named := split_of(name):
            split, rest = named
            of_role = images if not rest else labels if rest in _LABELS else {}
            if split in of_role:
                raise AlphabarError(
                    f"The arrays {printable(of_role[split])} and {printable(name)} are both of the {split} split; keep "
                    "one of them."
                )
            of_role[split] = name
    return images, labels


def _only_images(file: _Arrays) -> str:
    """The one array that can be images; UnreadableError if there is none or a choice."""
    if file.names == ("",):
        return ""
    for kinds in ("bu", "f"):
        fitting = [name for name in file.names if _can_be_images(file, name, kinds)]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            break
    have = some([printable(name) for name in file.names]) or "nothing"
    raise UnreadableError(file.path, f"it has no array 'arr_0' or 'images', only {have}")


def _can_be_images(file: _Arrays, name: str, kinds: str) -> bool:
    try:
        header = file.header(name)
    except ValueError:  # an array of another kind, such as a pickle
        return False
    is_number = header.dtype.kind in kinds and (header.dtype.kind == "f" or header.dtype.itemsize <= 2)
    return is_number and _are_images(header.shape)


def _are_images(shape: tuple[int, ...]) -> bool:
    if len(shape) == 4:
        return 1 <= shape[3] <= 4
    return len(shape) == 3 and min(shape[1:]) >= _SMALLEST_SIDE


def _left_out(names: set[str]) -> tuple[str, ...]:
    if not names:
        return ()
    return (f"{counted(len(names), 'array')} ({some(sorted(map(printable, names)))})",)


def _images(file: _Arrays, name: str) -> npt.NDArray[Any]:
    """The images (N, H, W, C)."""
    header = file.header(name)
    if header.dtype.kind not in "biuf" or not (len(header.shape) == 4 or _are_images(header.shape)):
        raise UnreadableError(file.path, f"its images are {header}, not uint8 or floats (N, H, W) or (N, H, W, C)")
    if len(header.shape) == 4:
        _, height, width, channels = header.shape
        if channels > 4 and height <= 4:
            raise UnreadableError(file.path, f"its images are {header}, channels first; expected (N, H, W, C)")
        if channels > 4 and height == width == channels:
            raise UnreadableError(file.path, f"its images are {header}, which are volumes; expected (N, H, W, C)")
    if header.size == 0:
        raise UnreadableError(file.path, "it has no images")
    values = file.values(name)
    return values if values.ndim == 4 else values[..., None]


def _labels(file: _Arrays, name: str, count: int) -> npt.NDArray[np.int64]:
    """The labels (N,). Their size is checked against that of the images before they are read."""
    header = file.header(name)
    if header.dtype.kind not in "iu" or header.shape not in ((count,), (count, 1)):
        raise UnreadableError(file.path, f"its labels are {header}, not integers ({count},)")
    labels = file.values(name).reshape(-1)
    if not 0 <= int(labels.min()) <= int(labels.max()) < _MOST_CLASSES:
        raise UnreadableError(file.path, f"its labels run from {labels.min()} to {labels.max()}; expected 0, 1, 2 ...")
    return labels.astype(np.int64)
