"""Hugging Face's Parquet: tables whose rows are image files and labels. They need the extra alphabar[parquet]."""

import json
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alphabar.data.decode import SUFFIXES as IMAGE_SUFFIXES
from alphabar.data.files import UnreadableError, printable, shown
from alphabar.data.split_names import split_of
from alphabar.errors import AlphabarError

SUFFIXES = (".parquet",)

_IMAGES = ("image", "img")
_LABELS = ("label", "labels")
_ROWS = 64  # read at a time
_SHARD = re.compile(r"-\d+-of-\d+$")
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Row:
    """An image file of a table, and where it lies below the folder that the table is unpacked into."""

    path: str
    content: bytes


def tables(path: Path) -> list[Path]:
    """The tables at `path`: itself, or those of a folder or of its folder "data", sorted; none if there are none."""
    if path.is_file():
        return [path] if path.suffix.lower() in SUFFIXES else []
    folders = (path, path / "data")
    return next((found for found in (sorted(folder.glob("*.parquet")) for folder in folders) if found), [])


def rows(path: Path) -> Iterator[Row]:
    """The images of all tables at `path`: SPLIT/CLASS/NUMBER.png, without the parts that there are not.

    The split is that of the table's name, if `path` is a folder; the class is the name of the label. UnreadableError
    for a table that has no images, or cannot be read; AlphabarError if pyarrow is missing.
    """
    for number, table in enumerate(tables(path)):
        name = _SHARD.sub("", table.stem)
        prefix = f"{_file_name(name)}/" if table != path and split_of(name) else ""
        try:
            for row in _rows(table):
                yield Row(f"{prefix}{row.path.replace('#', f'{number:05}')}", row.content)
        except AlphabarError:
            raise
        except Exception as error:  # damaged tables raise almost anything
            reason = printable(str(error))[:200] or type(error).__name__
            raise UnreadableError(table, f"it is not a complete Parquet table ({reason})") from error


def _rows(table: Path) -> Iterator[Row]:
    """The rows of one table; # stands for its number."""
    file = _opened(table)
    features = _features(file.schema_arrow.metadata or {})
    image, label = _image_column(table, file.schema_arrow, features), _label_column(table, file.schema_arrow, features)
    names = features.get(label, {}).get("names") if label else None
    number = 0
    for batch in file.iter_batches(_ROWS, columns=[image, *([label] if label else [])]):
        labels = batch.column(label).to_pylist() if label else [None] * len(batch)
        for cell, value in zip(batch.column(image).to_pylist(), labels, strict=True):
            content = cell.get("bytes") if isinstance(cell, dict) else cell
            if content is None:
                raise UnreadableError(table, "its images are names of files, and not the files themselves")
            suffix = Path(str(cell.get("path") or "") if isinstance(cell, dict) else "").suffix.lower()
            suffix = suffix if suffix in IMAGE_SUFFIXES else ".png"  # images are known by their content
            yield Row(f"{_class_folder(table, value, names)}#-{number:08}{suffix}", content)
            number += 1


def _opened(table: Path) -> Any:
    try:
        from pyarrow import parquet
    except ModuleNotFoundError:
        raise AlphabarError(f'{shown(table)} needs pyarrow to be read: pip install "alphabar[parquet]".') from None
    return parquet.ParquetFile(table)


def _features(metadata: dict[bytes, bytes]) -> dict[str, dict[str, Any]]:
    """What Hugging Face says of each column; nothing of other tables."""
    about = json.loads(metadata.get(b"huggingface", b"{}"))
    features = about.get("info", {}).get("features", {})
    return {name: each for name, each in features.items() if isinstance(each, dict)}


def _image_column(table: Path, schema: Any, features: dict[str, dict[str, Any]]) -> str:
    from pyarrow import types

    def holds_bytes(kind: Any) -> bool:
        is_file = types.is_struct(kind) and kind.get_field_index("bytes") >= 0
        return bool(is_file or types.is_binary(kind) or types.is_large_binary(kind))

    fitting = [field.name for field in schema if holds_bytes(field.type)]
    declared = [name for name in fitting if features.get(name, {}).get("_type") == "Image"]
    chosen = _chosen(declared or fitting, _IMAGES)
    if chosen is None:
        have = ", ".join(printable(field.name) for field in schema)
        raise UnreadableError(table, f"it has no column 'image' of image files, only {have[:200]}")
    return chosen


def _label_column(table: Path, schema: Any, features: dict[str, dict[str, Any]]) -> str | None:
    from pyarrow import types

    integers = [field.name for field in schema if types.is_integer(field.type)]
    declared = [name for name in integers if features.get(name, {}).get("_type") == "ClassLabel"]
    chosen = _chosen(declared or [name for name in integers if name in _LABELS], _LABELS)
    if declared and chosen is None:
        _LOG.warning("%s has several labels (%s); none is taken.", shown(table), ", ".join(map(printable, declared)))
    return chosen


def _chosen(fitting: Sequence[str], usual: Sequence[str]) -> str | None:
    """The one that has a usual name, or that is alone."""
    named = [name for name in usual if name in fitting]
    return named[0] if named else fitting[0] if len(fitting) == 1 else None


def _class_folder(table: Path, label: int | None, names: Sequence[str] | None) -> str:
    """The folder of a class; Hugging Face writes -1 where there is no label."""
    if label is None or label == -1:
        return ""
    if names is None:
        return f"{label}/"
    if not 0 <= label < len(names):
        raise UnreadableError(table, f"it has the label {label}, and names of {len(names)} classes")
    return f"{_file_name(str(names[label]))}/"


def _file_name(text: str) -> str:
    """A text as the name of a folder: characters that no name can have are written as in a URL."""
    name = re.sub(r"[/\\:\0-\x1f]|^\.", lambda match: f"%{ord(match[0]):02X}", text)
    return name or "%"
