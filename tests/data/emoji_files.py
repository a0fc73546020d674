"""Makers of small packages like npm's `emoji-datasource-twitter`."""

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def record(place: int, **changes: Any) -> dict[str, Any]:
    """An entry of emoji.json; its picture is called after its place in Unicode's order, and every second is a flag."""
    category = ("Smileys & Emotion", "Flags")[place % 2]
    made = {"image": f"1f6{place:02x}.png", "category": category, "sort_order": place, "has_img_twitter": True}
    return {**made, **changes}


def random_png(seed: int, size: int = 64) -> bytes:
    """A PNG in RGBA of random bytes."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 4), dtype=np.uint8)
    return png(Image.fromarray(pixels))


def png(image: Image.Image, **options: Any) -> bytes:
    """The image as a PNG."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def write_package(
    root: Path,
    count: int = 20,
    packed: bool = True,
    records: object = None,
    pictures: Mapping[str, bytes | None] | None = None,
) -> Path:
    """A .tgz, or what it unpacks to, of `count` emoji that are listed backwards.

    records, or bytes, replace the list; pictures (file name -> bytes, or None for none) replace some of the pictures.
    """
    listed = [record(k) for k in range(count, 0, -1)] if records is None else records
    text = listed if isinstance(listed, bytes) else json.dumps(listed).encode()
    shown = {f"1f6{k:02x}.png": random_png(k) for k in range(1, count + 1)} | dict(pictures or {})
    there = {f"img/twitter/64/{name}": content for name, content in shown.items() if content is not None}
    if not packed:
        for name, content in {**there, "emoji.json": text}.items():
            path = root / "unpacked/package" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return root / "unpacked/package"
    path = root / "emoji-datasource-twitter-0.0.0.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in {**there, "emoji.json": text}.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path
