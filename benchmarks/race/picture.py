"""OUT/samples.png: the first images of each side and sampler, a row each, and real ones below."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from benchmarks.race.task import Task
from torch import Tensor

from alphabar import plots
from alphabar.plots.tiles import tiles

COLUMNS = 12


def write(out: Path, sides: Iterable[tuple[str, str]], task: Task, split: str) -> None:
    """Write the picture of these (side, sampler), each from its first seed; `task` has the real images."""
    paths = {f"{side}\n{sampler}": min(out.glob(f"seed*/{side}/{sampler}.npz")) for side, sampler in sides}
    rows = {name: first(path) for name, path in paths.items()}
    real = task.images(split).images
    rows["real"] = real[torch.linspace(0, len(real) - 1, COLUMNS).long()]  # of every class
    figure = tiles(torch.stack(list(rows.values())), "", [], list(rows), [], "")
    figure.set_figwidth(figure.get_figwidth() + 1.0)  # the names of the rows are long
    plots.save(figure, out / "samples.png")


def first(path: Path) -> Tensor:
    """The first images of an .npz, uint8 (COLUMNS, C, H, W)."""
    with np.load(path) as arrays:
        return torch.from_numpy(arrays["arr_0"][:COLUMNS]).permute(0, 3, 1, 2)
