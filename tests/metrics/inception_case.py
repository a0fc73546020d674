"""What test_inception.py and make_inception_fixture.py must agree on, bit for bit: numpy alone, integers and seeds."""

import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FIXTURE = Path(__file__).with_name("inception_fixture.npz")
SIZES = {"small": (32, 32), "wide": (48, 64)}
COUNT = 4
RESIZES = [((5, 7), (8, 9)), ((7, 6), (3, 4)), ((32, 32), (40, 23)), ((3, 200), (2, 24)), ((4, 4), (4, 4))]
"""(source, target): up, down, both, one where float64 would read other pixels, and none."""


def images(count: int, size: tuple[int, int], seed: int) -> NDArray[np.uint8]:
    """(count, 3, H, W): coarse mosaics of 1 to 64 tiles with more or less noise, so that no two look alike."""
    draw = np.random.RandomState(seed)  # the legacy generator never changes its numbers
    height, width = size
    made = []
    for k in range(count):
        tiles = 1 + (seed + k) % 8
        mosaic = draw.randint(0, 256, (3, tiles, tiles))
        rows, columns = np.arange(height) * tiles // height, np.arange(width) * tiles // width
        noise = draw.randint(-128, 128, (3, height, width)) * draw.randint(0, 5) // 4
        made.append(np.clip(mosaic[:, rows][:, :, columns] + noise, 0, 255).astype(np.uint8))
    return np.stack(made)


def weights(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, NDArray[np.float32]]:
    """He's initialisation, and batch norms that scale and shift; all but the running statistics.

    Convolutions are five times smaller than He's, so that the eps of a batch norm can be seen.
    """
    made = {}
    for key, shape in shapes.items():
        draw = np.random.RandomState(zlib.crc32(key.encode()))
        if key.endswith("conv.weight"):
            value = draw.standard_normal(shape) * 0.2 * (2 / np.prod(shape[1:])) ** 0.5
        elif key.endswith("bn.weight"):
            value = draw.uniform(0.5, 1.5, shape)
        elif key.endswith("bn.bias") or key.startswith("fc."):
            value = draw.standard_normal(shape) * 0.3
        else:
            continue
        made[key] = value.astype(np.float32)
    return made


def running(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """The running statistics' names and lengths, in the order in which the fixture strings them together."""
    return {key: shape[0] for key, shape in sorted(shapes.items()) if "running" in key}


def pixels(size: tuple[int, int]) -> NDArray[np.float32]:
    """(2, 3, H, W) to resize, 0..255."""
    draw = np.random.RandomState(size[0] * 1000 + size[1])
    return draw.randint(0, 256, (2, 3, *size)).astype(np.float32)
