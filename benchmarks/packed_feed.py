"""How fast a pack feeds a training, and how fast training on it starts: issue figures for docs/training.md.

    OMP_NUM_THREADS=1 python benchmarks/packed_feed.py FOLDER [--images N] [--side S]

A pack of N random RGB images is written to FOLDER (and removed at the end), and read by batches of 64, shuffled:
"cold" is after its pages were dropped from the page cache, "warm" is once more. It is compared with the same images in
memory, and with what a training step of recipe fashion_mnist consumes, about 160 images per CPU-second. Seconds are
those of the processor as well as of the clock, because machines are shared.
"""

import argparse
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from alphabar.data import DataOptions, ImageSet, ShuffledStream, load
from alphabar.data.contents import Contents
from alphabar.data.packs.origin import Origin, Picture, Pictures
from alphabar.data.packs.writing import pack

BATCH, STEP = 64, 160


def written(out: Path, count: int, side: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (4096, 3, side, side), dtype=np.uint8)

    def read(start: int) -> Iterator[Picture]:
        return (Picture(np.roll(noise[k % 4096], k // 4096), k % 1000) for k in range(start, count))

    names = tuple(map(str, range(1000)))
    pictures = Pictures(read, count, Contents(), names)  # type: ignore[arg-type]
    pack(Origin("noise", "noise", "0", (3, side, side), DataOptions(), {"train": pictures}), out, print)


def rates(images: ImageSet, batches: int) -> str:
    stream, cpu, clock = ShuffledStream(images, 0, horizontal_flip=True), time.process_time(), time.perf_counter()
    for k in range(batches):
        stream.batch(k * BATCH, BATCH)
    cpu, clock, n = time.process_time() - cpu, time.perf_counter() - clock, batches * BATCH
    return f"{n / cpu:,.0f} images per CPU-second ({n / cpu / STEP:,.0f} x a step), {n / clock:,.0f} per second"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--side", type=int, default=64)
    request = parser.parse_args()
    out, batches = request.folder / "feed.pack", min(2000, request.images // BATCH)
    written(out, request.images, request.side)
    try:
        started, cpu = time.perf_counter(), time.process_time()
        images = load("packed", DataOptions(path=out))
        images.fingerprint()
        print(f"start   {time.perf_counter() - started:.2f} s ({time.process_time() - cpu:.2f} CPU)")
        file = os.open(out / "train.images", os.O_RDONLY)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(file)
        ShuffledStream(images, 0).batch(0, 1)  # the permutation of the epoch is made once
        print("cold   ", rates(images, batches))
        print("warm   ", rates(images, batches))
        print("memory ", rates(replace(images, images=images.images.clone()), batches))
    finally:
        shutil.rmtree(out, ignore_errors=True)


if __name__ == "__main__":
    main()
