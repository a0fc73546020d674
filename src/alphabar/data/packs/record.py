"""What pack.json says of a pack: its shape, its splits, and the sha256 of every part of its files.

At each start the sizes of the files are checked, and the sha256 of the record itself and of the labels. Those of the
images, for which all of them have to be read, are for `verify`.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from alphabar import files
from alphabar.data.contents import Contents, counted
from alphabar.data.files import UnreadableError, open_regular, printable, read_whole

NAME = "pack.json"
FORMAT: Literal["alphabar pack 1"] = "alphabar pack 1"
IMAGES = "images"
LABELS: Literal["labels"] = "labels"
STORED: Literal["stored"] = "stored"
NUMBER = 8  # bytes of a label: int64, little-endian

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=1, lt=1 << 40)]


Numbers = Literal["labels", "stored"]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Part(_Model):
    """A stretch of the images of a split, and the sha256 of their bytes."""

    count: Count
    sha256: Sha256


class SplitRecord(_Model):
    """One split of a pack. Its files are SPLIT.images, uint8 (N, C, H, W), and perhaps SPLIT.labels, int64 (N,)."""

    count: Count
    class_names: tuple[str, ...] = ()
    parts: tuple[Part, ...]
    numbers: dict[Numbers, Sha256] = {}
    """The sha256 of the files of one int64 for each image: its class, and the number of its values as stored."""
    fingerprints: dict[str, Sha256]
    """`ImageSet.fingerprint` of these images, by the (C, H, W) that is cut out of the middle of each."""
    contents: Contents


class Record(_Model):
    """What a pack is."""

    format: Literal["alphabar pack 1"] = FORMAT
    name: str
    source: str
    """What was packed, as text."""
    origin: str
    """A digest of the files that were packed and of how they were read."""
    shape: tuple[Count, Count, Count]
    """(C, H, W)."""
    options: dict[str, Any]
    """How files became images: `options.manner`."""
    holdout: float
    """The share of the images that is the test split, if the pack divided its source."""
    splits: dict[Literal["train", "val", "test"], SplitRecord]

    def nbytes(self) -> int:
        """The bytes of all images."""
        channels, height, width = self.shape
        return sum(split.count for split in self.splits.values()) * channels * height * width


def is_pack(path: Path) -> bool:
    """Whether a folder is a pack, by its name alone."""
    return (path / NAME).is_file()


def file_of(folder: Path, split: str, what: str) -> Path:
    """The file of a split that holds its images, labels or stored numbers."""
    return folder / f"{split}.{what}"


def key(shape: tuple[int, int, int]) -> str:
    """(C, H, W) as text: "3x32x32"."""
    return "x".join(map(str, shape))


def shape_of(text: str) -> tuple[int, int, int]:
    """The inverse of `key`; three zeros, the shape of no image, for another text."""
    parts = [int(part) if part.isdecimal() else 0 for part in text.split("x")]
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 else (0, 0, 0)


def write(folder: Path, record: Record) -> None:
    """Writes pack.json, with the sha256 of what it says."""
    said = record.model_dump(mode="json")
    files.write_json(folder / NAME, said | {"sha256": files.digest(said)})


def read(folder: Path) -> Record:
    """The record of a pack whose files have the sizes that it says; UnreadableError with the reason otherwise."""
    path = folder / NAME
    try:
        said = files.read_json(path)
        if not isinstance(said, dict) or said.pop("sha256", None) != files.digest(said):
            raise UnreadableError(path, "it is damaged: its sha256 is not that of what it says; pack the images again")
        record = Record.model_validate(said, strict=False)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise UnreadableError(path, f"it is no pack that this alphabar reads ({place}: {first['msg']})") from None
    except OSError as error:
        raise UnreadableError(path, (error.strerror or str(error)).lower()) from None
    except ValueError as error:
        raise UnreadableError(path, f"it is damaged ({printable(str(error))[:100]}); pack the images again") from None
    for name, split in record.splits.items():
        _check(folder, name, split, record.shape)
    return record


def _check(folder: Path, name: str, split: SplitRecord, shape: tuple[int, int, int]) -> None:
    """UnreadableError unless the files of a split have the sizes that follow from the record."""
    channels, height, width = shape
    if sum(part.count for part in split.parts) != split.count or bool(split.class_names) != (LABELS in split.numbers):
        raise UnreadableError(folder / NAME, f"its {name} split contradicts itself; pack the images again")
    sizes = {IMAGES: channels * height * width} | dict.fromkeys(split.numbers, NUMBER)
    for what, each in sizes.items():
        path = file_of(folder, name, what)
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
        if size != each * split.count:
            raise UnreadableError(
                path, f"it has {size:,} bytes, and not {each * split.count:,}; it was cut or changed; pack it again"
            )


def numbers(folder: Path, name: str, split: SplitRecord, what: Numbers) -> Tensor:
    """int64 (N,): the labels of a split, or its stored numbers; UnreadableError if they are not those of the record."""
    path = file_of(folder, name, what)
    with open_regular(path) as file:
        raw = read_whole(file, split.count * NUMBER)
    if hashlib.sha256(raw).hexdigest() != split.numbers[what]:
        raise UnreadableError(path, "it is damaged: its sha256 is not that of the record; pack the images again")
    return torch.from_numpy(np.frombuffer(bytearray(raw), "<i8"))


def verify(folder: Path) -> Iterator[int]:
    """Reads a whole pack and compares it with its hashes; yields the bytes read. UnreadableError if one differs."""
    record = read(folder)
    each = record.shape[0] * record.shape[1] * record.shape[2]
    for name, split in record.splits.items():
        for what in split.numbers:
            yield numbers(folder, name, split, what).nbytes
        path, first = file_of(folder, name, IMAGES), 0
        with open_regular(path) as file:
            for part in split.parts:
                found = yield from _hashed(file, part.count * each)
                if found != part.sha256:
                    images = counted(part.count, "image")
                    raise UnreadableError(path, f"{images} from number {first:,} on are damaged; pack it again")
                first += part.count


def _hashed(file: BinaryIO, size: int, chunk: int = 1 << 22) -> Any:
    """The sha256 of the next `size` bytes; a generator of how many were read."""
    digest = hashlib.sha256()
    while size and (data := file.read(min(chunk, size))):
        digest.update(data)
        size -= len(data)
        yield len(data)
    return digest.hexdigest()
