"""Whatever bytes a file has, reading it ends soon, in little memory, with images or with one sentence."""

import gzip
import io
import json
import pickle
import shutil
import tarfile
import time
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from alphabar.data import DataOptions, ImageSet, load
from alphabar.data.decode import FORMATS
from alphabar.errors import AlphabarError
from fuzz import often
from hostile import Change, changes, damaged

T = TypeVar("T")
SECONDS = 1.0
MEMORY = 64 << 20
LIMIT = 1_000_000  # pixels


def picture(format: str, **how: object) -> bytes:
    """An image file of 24x16."""
    y, x = np.mgrid[0:16, 0:24]
    image = Image.fromarray(np.stack([x * 10, y * 15, (x + y) * 6], axis=2).astype(np.uint8))
    mode = how.pop("mode", None)
    buffer = io.BytesIO()
    (image.quantize(16) if mode == "P" else image.convert(str(mode)) if mode else image).save(buffer, format, **how)
    return buffer.getvalue()


def rich_png() -> bytes:
    from PIL import ImageCms, PngImagePlugin

    text = PngImagePlugin.PngInfo()
    text.add_text("a", "b" * 100, zip=True)
    text.add_itxt("c", "d" * 100, zip=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return picture("PNG", pnginfo=text, exif=exif, icc_profile=profile)


PICTURES: dict[str, bytes] = {
    "png": picture("PNG"),
    "png with text": rich_png(),
    "png palette": picture("PNG", mode="P"),
    "png grey alpha": picture("PNG", mode="LA"),
    "jpg": picture("JPEG"),
    "progressive jpg": picture("JPEG", progressive=True, exif=Image.Exif()),
    "webp": picture("WEBP"),
    "gif": picture("GIF", save_all=True, append_images=[Image.new("RGB", (24, 16))] * 2),
    "tif": picture("TIFF"),
    "packed tif": picture("TIFF", compression="tiff_lzw"),
    "jpeg tif": picture("TIFF", compression="jpeg"),
    "bmp": picture("BMP"),
    "rle bmp": picture("BMP", mode="P"),
    "ppm": picture("PPM"),
    "pgm of 12 bits": b"P5 8 8 4095\n" + bytes(128),
    "plain ppm": b"P3 2 2 255\n" + b"1 2 3 " * 4,
    "pfm": b"Pf 2 2 -1.0\n" + bytes(16),
}
PICTURES |= {format.lower(): picture(format) for format in ("JPEG2000", "AVIF") if format in FORMATS}


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def npz(packed: bool) -> bytes:
    buffer = io.BytesIO()
    save = np.savez_compressed if packed else np.savez
    save(buffer, arr_0=np.arange(4 * 8 * 6 * 3, dtype=np.uint8).reshape(4, 8, 6, 3), arr_1=np.arange(4))
    return buffer.getvalue()


def idx() -> bytes:
    return bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 6, 0, 0, 0, 5]) + bytes(range(60))


def cifar() -> bytes:
    data = np.arange(2 * 3072).reshape(2, 3072).astype(np.uint8)
    return pickle.dumps({b"data": data, b"labels": [3, 1], b"filenames": [b"a", b"b"]}, protocol=2)


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("a/1.png", "b/2.png"):
            archive.writestr(name, PICTURES["png"])
        archive.writestr("dataset.json", json.dumps({"labels": [["a/1.png", 1], ["b/2.png", 0]]}))
    return buffer.getvalue()


def tarred(mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]
        for name in ("a/1.png", "b/2.png", "b/" + "é" * 90 + ".png"):
            info = tarfile.TarInfo(name)
            info.size = len(PICTURES["png"])
            archive.addfile(info, io.BytesIO(PICTURES["png"]))
    return buffer.getvalue()


FILES: dict[str, tuple[str, str, bytes]] = {
    **{name: ("folder", "d/a.png", data) for name, data in PICTURES.items()},
    "npz": ("npz", "a.npz", npz(False)),
    "packed npz": ("npz", "a.npz", npz(True)),
    "npy": ("npz", "a.npy", npy(np.arange(4 * 8 * 6, dtype=np.uint8).reshape(4, 8, 6))),
    "idx": ("idx", "d/train-images-idx3-ubyte", idx()),
    "packed idx": ("idx", "d/train-images-idx3-ubyte.gz", gzip.compress(idx())),
    "cifar": ("cifar10", "d/data_batch_1", cifar()),
    "zip": ("archive", "a.zip", zipped()),
    "tar": ("archive", "a.tar", tarred()),
    "tar.gz": ("archive", "a.tar.gz", tarred("w:gz")),
    "tar.xz": ("archive", "a.tar.xz", tarred("w:xz")),
}
"""What is damaged: the source that reads it, its name below a folder of its own, and its bytes."""


def read(kind: str, folder: Path, name: str, data: bytes) -> ImageSet | str:
    """What a file is read as: images, or the one sentence that says why not."""
    path = folder / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(data)
    place = path.parent if path.parent != folder else path
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return load(kind, DataOptions(path=place, limit_pixels=LIMIT))
    except AlphabarError as error:
        return str(error)


def bounded(work: Callable[[], T]) -> T:
    """What `work` returns; fails if that takes longer than SECONDS, or Python more memory than MEMORY."""
    tracemalloc.start()
    started = time.process_time()
    try:
        result = work()
        taken, peak = time.process_time() - started, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    if taken >= SECONDS:  # following every allocation makes some work a hundred times as slow
        started = time.process_time()
        work()
        taken = time.process_time() - started
    assert taken < SECONDS
    assert peak < MEMORY
    return result


def check(what: str, some: list[Change], place: Path) -> None:
    """A damaged file is read as images or refused by one printable sentence, and nothing but the cache is written."""
    kind, name, data = FILES[what]
    folder = place / "case"
    shutil.rmtree(folder, ignore_errors=True)
    result = bounded(lambda: read(kind, folder, name, damaged(data, some)))
    if isinstance(result, str):
        assert result.isprintable()
        assert len(result) < 1500
        assert result.endswith(".")
    else:
        assert len(result) >= 1
    assert {path.name for path in place.iterdir()} <= {"cache", "case"}
    assert [path for path in folder.rglob("*") if not path.is_dir()] == [folder / name]


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


@pytest.mark.parametrize("what", FILES)
def test_a_whole_file_is_read(what: str, own_cache: Path) -> None:
    kind, name, data = FILES[what]
    assert isinstance(read(kind, own_cache, name, data), ImageSet)


@pytest.mark.parametrize(
    ("what", "place", "number"),
    [
        ("png grey alpha", 0.25, b"\xff\xff\xff\xff"),
        ("idx", 0.125, b"\x80\0\0\0"),
        ("npy", 0.05, b"\xff\xff"),
        ("png with text", 0.05, b"\x7f\xff\xff\xff"),
    ],
)
def test_a_length_that_is_claimed_takes_no_memory(what: str, place: float, number: bytes, own_cache: Path) -> None:
    whole = FILES[what][2]
    for k in range(int(place * len(whole)), min(len(whole), int(place * len(whole)) + 60)):
        check(what, [lambda data, k=k: data[:k] + number + data[k + len(number) :]], own_cache)


GROUPS: dict[str, list[str]] = {
    "pictures": list(PICTURES),
    "npz": ["npz", "packed npz"],
    "npy": ["npy"],
    "idx": ["idx", "packed idx"],
    "cifar": ["cifar"],
    "zip": ["zip"],
    "tar": ["tar", "tar.gz", "tar.xz"],
}


@pytest.mark.parametrize("group", GROUPS)
@settings(max_examples=50, deadline=None, suppress_health_check=QUIET)
@given(some=changes, random=st.data())
def test_a_damaged_file_is_images_or_a_sentence(
    group: str, some: list[Change], random: st.DataObject, own_cache: Path
) -> None:
    check(random.draw(st.sampled_from(GROUPS[group])), some, own_cache)


@pytest.mark.heavy
@pytest.mark.parametrize("group", GROUPS)
@settings(max_examples=often(500), deadline=None, suppress_health_check=QUIET)
@given(some=changes, random=st.data())
def test_thousands_of_damaged_files_are_images_or_a_sentence(
    group: str, some: list[Change], random: st.DataObject, own_cache: Path
) -> None:
    check(random.draw(st.sampled_from(GROUPS[group])), some, own_cache)
