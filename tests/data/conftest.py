"""Makers of the files that the readers are tested on."""

import gzip
import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from emoji_files import write_package
from PIL import Image


@pytest.fixture
def picture() -> Image.Image:
    """A smooth RGB image, 16 high and 24 wide, that looks different whichever way it is turned."""
    y, x = np.mgrid[0:16, 0:24]
    return Image.fromarray(np.stack([x * 255 // 23, y * 255 // 15, (x + y) * 255 // 38], axis=2).astype(np.uint8))


@pytest.fixture
def photos(tmp_path: Path) -> Callable[..., Path]:
    """Writes `count` PNGs of random bytes, shape (h, w) or (h, w, c), named 000.png ..., below a folder of tmp_path."""

    def write(count: int, shape: tuple[int, ...] = (8, 8, 3), name: str = "photos") -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(0)
        for k in range(count):
            Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(folder / f"{k:03}.png")
        return folder

    return write


def idx_bytes(array: np.ndarray) -> bytes:
    """A uint8 array in IDX."""
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture
def write_idx(tmp_path: Path) -> Callable[..., Path]:
    """Writes a folder with `count` images of 6x5 under MNIST's file names, gzipped or not."""

    def write(count: int = 20, packed: bool = True, prefix: str = "train", labels: bool = True) -> Path:
        rng = np.random.default_rng(1)
        arrays = {"images-idx3-ubyte": rng.integers(0, 256, (count, 6, 5)), "labels-idx1-ubyte": np.arange(count) % 4}
        if not labels:
            del arrays["labels-idx1-ubyte"]
        for name, array in arrays.items():
            path = tmp_path / f"{prefix}-{name}{'.gz' if packed else ''}"
            path.write_bytes(gzip.compress(idx_bytes(array)) if packed else idx_bytes(array))
        return tmp_path

    return write


@pytest.fixture
def write_cifar(tmp_path: Path) -> Callable[..., Path]:
    """Writes cifar-10-batches-py with two training batches and a test batch of `count` images each."""

    def write(count: int = 6, protocol: int = 2) -> Path:
        folder = tmp_path / "cifar-10-batches-py"
        folder.mkdir()
        rng = np.random.default_rng(2)
        for name in ("data_batch_1", "data_batch_2", "test_batch"):
            data = rng.integers(0, 256, (count, 3072), dtype=np.uint8)
            record = {b"data": data, b"labels": [k % 10 for k in range(count)], b"filenames": [b"a.png"] * count}
            (folder / name).write_bytes(pickle.dumps(record, protocol=protocol))
        names = {b"label_names": [f"class {k}".encode() for k in range(10)]}
        (folder / "batches.meta").write_bytes(pickle.dumps(names, protocol=protocol))
        return folder

    return write


@pytest.fixture
def write_twemoji(tmp_path: Path) -> Callable[..., Path]:
    """Writes an emoji-datasource-twitter below tmp_path: `emoji_files.write_package`."""
    return partial(write_package, tmp_path)
