"""Images from files, and from a pack of them: alphabar's sources and stream, and a DataLoader that decodes with PIL."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from benchmarks.speed.made import Made
from benchmarks.speed.workload import FOLDER, Workload
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from alphabar import data
from alphabar.images import to_signed

STORED = 64
"""The side of the files, which are made half as large."""


def written(count: int) -> TemporaryDirectory[str]:
    """A folder of so many PNG files, smooth with a little noise, as photographs are."""
    folder, random = TemporaryDirectory(), np.random.default_rng(0)
    for k in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize((STORED, STORED))
        noise = random.integers(-4, 5, (STORED, STORED, 3))
        pixels = (np.asarray(coarse) + noise).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(Path(folder.name) / f"{k:05}.png")
    return folder


def ours(work: Workload) -> Made:
    """FOLDER: the first epoch, from the files on. Else a later one, from the pack that was made of them before."""
    folder = written(work.steps)
    files = data.DataOptions(path=Path(folder.name), image_size=work.shape[1:], resize="crop")
    if work.task == FOLDER:
        return epochs(lambda: data.load("folder", files), work, folder)
    packed = TemporaryDirectory()
    data.pack_source(files, Path(packed.name) / "pack", lambda line: None)
    images = data.load("packed", data.DataOptions(path=Path(packed.name) / "pack"))
    return epochs(lambda: images, work, (folder, packed))


def epochs(load: Callable[[], data.ImageSet], work: Workload, kept: object) -> Made:
    """One epoch is a turn; `kept` are the folders, which last as long as the step does."""

    def step(_: object = kept) -> None:
        stream = data.ShuffledStream(load(), 0, horizontal_flip=True)
        for start in range(0, work.steps, work.batch):
            to_signed(stream.batch(start, work.batch).images)

    return Made(step, 0, steps=work.steps)


class Pictures(Dataset[Any]):
    """What diffusers' script makes of a file: resized, cropped, flipped by chance, float32 in [−1, 1]."""

    def __init__(self, folder: Path, side: int) -> None:
        self.paths, self.side = sorted(folder.iterdir()), side

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        side = self.side
        image = Image.open(self.paths[index]).convert("RGB").resize((side, side), Image.Resampling.BILINEAR)
        if torch.rand(()) < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float() / 127.5 - 1


def theirs(work: Workload) -> Made:
    """Every epoch decodes every file, in the process that trains (dataloader_num_workers=0 is the script's default)."""
    folder = written(work.steps)
    loader = DataLoader(Pictures(Path(folder.name), work.shape[-1]), batch_size=work.batch, shuffle=True)

    def step(_: object = folder) -> None:
        for _batch in loader:
            pass

    return Made(step, 0, steps=work.steps)
