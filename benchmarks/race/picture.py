"""A picture of what the sides draw."""

from pathlib import Path

import torch
from benchmarks.race import drawing
from benchmarks.race.rows import Row, best

from alphabar.plots.drawn import DPI
from alphabar.plots.tiles import tiles

COLUMNS = 16


def picture(folder: Path, data: str, found: list[Row], path: Path) -> None:
    """A PNG: a row for each side, its first 16 images by the best of its own samplers by FD, none left out.

    The seed is the least that was measured.
    """
    seed = min(seed for row in found for seed in row.seeds)
    shown: dict[tuple[str, str], torch.Tensor] = {}
    for side, row in best(found).items():
        npz = folder / f"{data}-seed{seed}" / side / "samples" / row.sampler / f"{row.count}.npz"
        if npz.exists() and row.count >= COLUMNS:
            shown[side, row.sampler] = drawing.load(npz)[:COLUMNS]
    if not shown:
        return
    blank, note = [""] * COLUMNS, f"the first {COLUMNS} images of each, none left out; seed {seed}"
    names = [f"{side}\n{sampler.removeprefix('alphabar-')}" for side, sampler in shown]
    figure = tiles(torch.stack(list(shown.values())), data, blank, names, blank, note)
    figure.savefig(path, dpi=DPI)
