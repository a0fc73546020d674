"""Files of JSON objects, one a line. A kill cuts lines short and people edit them: no content stops a reader."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from alphabar.errors import AlphabarError
from alphabar.files import json_text

LONGEST = 1 << 20
"""Bytes of a line; a longer one is no row of ours."""


class Line(NamedTuple):
    """A line as it stands in the file, without its end, and the object in it; None if there is none."""

    raw: bytes
    row: dict[str, Any] | None


def lines(path: Path) -> Iterator[Line]:
    """The lines of the file at `path` that are not blank; none if there is no file. Too long ones are cut."""
    try:
        if not path.exists():
            return
        _refuse_what_is_no_file(path)
        with path.open("rb") as file:
            for raw in _raw(file):
                yield Line(raw, _object(raw))
    except OSError as error:
        raise AlphabarError(f"{path} cannot be read ({error.strerror or error}).") from None


def rows(path: Path) -> list[dict[str, Any]]:
    """The objects in the file at `path`, in order; what is none is passed over."""
    return [line.row for line in lines(path) if line.row is not None]


def append(path: Path, row: Mapping[str, Any]) -> None:
    """Add `row` on a line of its own, even if the last line was cut short; a number that is not finite becomes null."""
    text = json.dumps(_finite(row), allow_nan=False)
    try:
        _refuse_what_is_no_file(path)
        with path.open("ab+") as file:
            if file.tell():
                file.seek(-1, 2)
                text = text if file.read(1) == b"\n" else "\n" + text
            file.write(f"{text}\n".encode())
    except OSError as error:
        raise AlphabarError(f"Cannot write {path}: {error.strerror or error}.") from None


def _refuse_what_is_no_file(path: Path) -> None:
    """AlphabarError for a folder, and for a pipe or a device, which would never end."""
    if path.exists() and not path.is_file():
        raise AlphabarError(f"{path} is not a file of JSON lines; move it elsewhere.")


def _raw(file: BinaryIO) -> Iterator[bytes]:
    while raw := file.readline(LONGEST + 1):
        rest = raw
        while len(rest) > LONGEST and not rest.endswith(b"\n"):
            rest = file.readline(LONGEST + 1)
        if raw.strip():
            yield raw.removesuffix(b"\n")


def _object(raw: bytes) -> dict[str, Any] | None:
    if len(raw) > LONGEST:
        return None
    try:
        row = json_text.parsed(raw)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
