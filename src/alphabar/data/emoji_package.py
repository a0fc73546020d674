"""Reads the npm package `emoji-datasource-twitter`: emoji.json lists the emoji, and each has a PNG of 64x64 pixels.

Nothing is unpacked to the disk. The package is not trusted: the amount of data is limited whatever sizes the archive
declares, and a name in emoji.json must look like the name of a picture.
"""

import io
import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np
from PIL import UnidentifiedImageError

from alphabar.data import tarball
from alphabar.data.files import UnreadableError, exists, open_regular, read_whole, shown
from alphabar.data.fit import Pixels
from alphabar.data.memory import check_bytes
from alphabar.images import TooLargeError, opened

SIDE = 64  # pixels
ROOM = 64_000_000  # the most bytes to read from a package; version 16 needs 12 MB

_LIST = PurePosixPath("emoji.json")
_PICTURES = PurePosixPath("img/twitter/64")
_PICTURE = re.compile(r"[0-9a-z-]+\.png")


@dataclass(frozen=True)
class Emoji:
    """One emoji of Twitter's set: the file name of its picture, its category and its place in Unicode's order."""

    picture: str
    category: str
    sort_order: int


def read_package(source: Path) -> tuple[list[Emoji], Pixels]:
    """The emoji in Unicode's order, without skin tone variants, and their images uint8 RGBA (N, 64, 64, 4), N >= 1.

    source: the .tgz archive or its unpacked folder. Raises UnreadableError if it is neither or damaged.
    """
    contents = _contents(source)
    emoji = _listed(source, contents)
    check_bytes(shown(source), len(emoji) * 4 * SIDE**2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns about large images, which are refused here anyway
        return emoji, np.stack([_decoded(source, one.picture, contents) for one in emoji])


def package_folder(path: Path) -> Path | None:
    """The unpacked package at `path` or in its sub-folder "package" (npm's name for it); None if there is none."""
    folders = (path, path / "package")
    return next((folder for folder in folders if exists(folder / _LIST) and exists(folder / _PICTURES)), None)


def _contents(source: Path) -> dict[str, bytes]:
    """File name -> contents of emoji.json and of the PNGs; raises UnreadableError beyond ROOM bytes."""
    contents: dict[str, bytes] = {}
    room = ROOM
    try:
        for name, file in _in_folder(source) if source.is_dir() else _in_archive(source):
            contents[name] = read_whole(file, room)
            room -= len(contents[name])
            if room < 0:
                raise UnreadableError(source, f"its {_LIST} and pictures take more than {ROOM / 1e6:g} MB")
    except UnreadableError:
        raise
    except Exception as error:  # tarfile raises almost anything when an archive is malformed
        raise UnreadableError(source, f"it is not a complete tar archive ({error})") from error
    return contents


def _in_folder(source: Path) -> Iterator[tuple[str, IO[bytes]]]:
    folder = package_folder(source) or source
    for path in (folder / _LIST, *sorted((folder / _PICTURES).glob("*.png"))):
        if exists(path):
            with open_regular(path) as file:
                yield path.name, file


def _in_archive(source: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with tarball.opened(source) as archive:
        for member in archive:
            path = PurePosixPath(*PurePosixPath(member.name).parts[1:])  # without npm's "package/"
            needed = path == _LIST or path.parent == _PICTURES
            if needed and member.isreg() and (file := archive.extractfile(member)):
                yield path.name, file


def _listed(source: Path, contents: dict[str, bytes]) -> list[Emoji]:
    if _LIST.name not in contents:
        raise UnreadableError(source, f"it has no {_LIST}; expected npm's package emoji-datasource-twitter")
    try:
        records = json.loads(contents[_LIST.name])
    except (ValueError, RecursionError) as error:
        raise UnreadableError(source, f"its {_LIST} is not JSON ({error})") from error
    if not isinstance(records, list):
        raise UnreadableError(source, f"its {_LIST} is not a list of emoji")
    emoji = [_parsed(source, k, record) for k, record in enumerate(records) if _has_picture(record)]
    if not emoji:
        raise UnreadableError(source, f"its {_LIST} lists no emoji with a Twitter picture")
    return sorted(emoji, key=lambda one: one.sort_order)


def _has_picture(record: Any) -> bool:
    return not isinstance(record, dict) or record.get("has_img_twitter") is not False


def _parsed(source: Path, k: int, record: Any) -> Emoji:
    record = record if isinstance(record, dict) else {}
    name, category, order = record.get("image"), record.get("category"), record.get("sort_order")
    if not isinstance(name, str) or not _PICTURE.fullmatch(name):
        wrong = f"'image' is {name!r:.60}, not a name like 1f600.png"
    elif not isinstance(category, str) or not category or not category.isprintable():
        wrong = f"'category' is {category!r:.60}, not a name"
    elif type(order) is not int:
        wrong = f"'sort_order' is {order!r:.60}, not an integer"
    else:
        return Emoji(name, category, order)
    raise UnreadableError(source, f"entry {k} of its {_LIST} is not an emoji: {wrong}")


def _decoded(source: Path, name: str, contents: dict[str, bytes]) -> Pixels:
    """One picture, uint8 RGBA (64, 64, 4). Another size is refused before any pixel is decoded."""
    if name not in contents:
        raise UnreadableError(source, f"it has no {_PICTURES / name}, although its {_LIST} lists it")
    try:
        with opened(io.BytesIO(contents[name]), largest=SIDE**2 * 4) as image:
            if image.size != (SIDE, SIDE):
                raise UnreadableError(source, f"its {name} is {image.height}x{image.width}, not {SIDE}x{SIDE}")
            return np.asarray(image.convert("RGBA"))
    except UnreadableError:
        raise
    except TooLargeError as error:
        raise UnreadableError(source, f"its {name} is {error}, not {SIDE}x{SIDE}") from None
    except UnidentifiedImageError:
        raise UnreadableError(source, f"its {name} is not a PNG") from None
    except Exception as error:  # Pillow raises almost anything when a file is malformed
        raise UnreadableError(source, f"its {name} cannot be decoded ({error})") from error
