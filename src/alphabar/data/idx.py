"""IDX, the file format of MNIST: two zero bytes, the type, the rank, the sizes as big-endian int32, then the values."""

import gzip
import hashlib
import math
import re
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch

from alphabar.data.classes import numbered
from alphabar.data.files import NoSplitError, UnreadableError, check_split, open_regular, shown
from alphabar.data.fit import Pixels, fitted
from alphabar.data.image_set import ImageSet
from alphabar.data.memory import DEFLATE_RATIO, check_bytes, empty
from alphabar.data.npy import fill
from alphabar.data.options import DataOptions
from alphabar.errors import AlphabarError

_UINT8 = b"\x00\x00\x08"
_GZIP = b"\x1f\x8b"
_IMAGES = re.compile(r"(?P<prefix>.*)images(?P<mark>[-.])idx3-ubyte(?P<gz>\.gz)?")
_SPLITS = {"train": ("train",), "val": ("val",), "test": ("t10k", "test")}


def read_idx(path: Path, rank: int, sha256: str | None = None) -> Pixels:
    """Reads the uint8 array of `rank` dimensions from an IDX file, gzipped or not; raises UnreadableError.

    sha256: the expected hash of the unpacked bytes, if any. The gzip headers of equal files may differ (Debian strips
        the name and the time).
    """
    with open_regular(path) as raw:
        packed = raw.read(2) == _GZIP
        raw.seek(0)
        try:
            most = raw.seek(0, 2) * (DEFLATE_RATIO if packed else 1)
            raw.seek(0)
            return _parsed(gzip.GzipFile(fileobj=raw) if packed else raw, most, path, rank, sha256)
        except AlphabarError:
            raise
        except (EOFError, zlib.error, OSError, ValueError) as error:
            raise UnreadableError(path, f"its data is damaged or ends early ({error})") from error


def _parsed(file: BinaryIO | gzip.GzipFile, most: int, path: Path, rank: int, sha256: str | None) -> Pixels:
    """The array in a file that has at most `most` bytes."""
    header = file.read(4 + 4 * rank)
    if header[:4] != _UINT8 + bytes([rank]) or len(header) < 4 + 4 * rank:
        expected = (_UINT8 + bytes([rank])).hex(" ")
        raise UnreadableError(
            path, f"it is not an IDX file of uint8: it begins with {header[:4].hex(' ') or 'nothing'}, not {expected}"
        )
    shape = tuple(np.frombuffer(header, ">u4", offset=4).tolist())
    if 0 in shape:
        raise UnreadableError(path, f"it is empty: its header declares {' x '.join(map(str, shape))} values")
    check_bytes(shown(path), math.prod(shape))  # a damaged header may declare any size
    if math.prod(shape) > most:
        raise ValueError(f"its header declares {math.prod(shape):,} values, but it has only {most:,} bytes")
    values = empty(shown(path), (math.prod(shape),), np.uint8)
    fill(file, values)
    if sha256 is not None:
        digest = hashlib.sha256(header)
        digest.update(values.data)
        if digest.hexdigest() != sha256:
            hashes = f"{digest.hexdigest()[:12]}..., not {sha256[:12]}..."
            raise UnreadableError(path, f"it is not the published file: the sha256 of its unpacked bytes is {hashes}")
    return values.reshape(shape)


def image_set_from_idx(
    name: str,
    images: Pixels,
    labels: Pixels | None,
    class_names: tuple[str, ...] | None,
    source: str,
    options: DataOptions,
) -> ImageSet:
    """An ImageSet of images (N, H, W) and labels (N,). Without `class_names` the classes are the numbers that occur."""
    if labels is not None and len(labels) != len(images):
        raise AlphabarError(
            f"{source} has {len(images):,} images but {len(labels):,} labels; the two files do not belong together."
        )
    classes = None if labels is None else torch.from_numpy(labels.astype(np.int64))
    if labels is not None and class_names is None:
        classes, class_names = numbered(labels)
    return ImageSet(
        name=name,
        **fitted(images[..., None], options, source),
        labels=classes,
        class_names=class_names or (),
        source=source,
    )


def idx_files(folder: Path) -> dict[str, tuple[Path, Path | None]]:
    """Prefix -> (image file, label file or None) for each "<prefix>images-idx3-ubyte[.gz]" in a folder."""
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise AlphabarError(f"The folder {shown(folder)} cannot be read: {error.strerror}.") from error
    pairs = {}
    for path in paths:
        if match := _IMAGES.fullmatch(path.name):
            stem = f"{match['prefix']}labels{match['mark']}idx1-ubyte"
            labels = [folder / name for name in (stem, f"{stem}.gz") if (folder / name).is_file()]
            pairs[match["prefix"]] = (path, labels[0] if labels else None)
    return pairs


def idx(options: DataOptions) -> ImageSet:
    """Your own folder of IDX files, the format of MNIST.

    File names must contain "train" for the training split, "t10k" or "test" for the test split.
    """
    if options.path is None:
        raise AlphabarError("data.name=idx needs a folder with files like train-images-idx3-ubyte.gz; set data.path.")
    pairs = idx_files(options.path)
    prefixes = [prefix for prefix in pairs if any(mark in prefix for mark in _SPLITS[options.split])]
    if not prefixes and len(pairs) == 1:
        check_split(shown(options.path), options)
        prefixes = list(pairs)
    if not prefixes and pairs:
        names = ", ".join(shown(Path(path.name)) for path, _ in pairs.values())
        raise NoSplitError(f"{shown(options.path)} has no image file for data.split={options.split}; it holds {names}.")
    if len(prefixes) != 1:
        names = ", ".join(shown(Path(path.name)) for path, _ in pairs.values()) or "no *images-idx3-ubyte file at all"
        raise AlphabarError(
            f"{shown(options.path)} must hold exactly one image file for split '{options.split}'; it holds {names}."
        )
    images, labels = pairs[prefixes[0]]
    return image_set_from_idx(
        options.path.name,
        read_idx(images, rank=3),
        None if labels is None else read_idx(labels, rank=1),
        None,
        shown(images),
        options,
    )
