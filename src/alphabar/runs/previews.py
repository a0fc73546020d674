"""The preview grids of a run -> the frames of a film of its training: the same seeds at every step."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from alphabar.errors import AlphabarError
from alphabar.films import titled
from alphabar.images import opened
from alphabar.runs import bundled
from alphabar.runs.run import Run


@dataclass(frozen=True, eq=False)
class Previews:
    """Grids, uint8 (C, H, W) of one size, each with its training step above it, in the order of the steps."""

    steps: list[int]
    frames: list[Tensor]


def previews(path: Path) -> Previews:
    """The preview grids of the run directory `path`, oldest first; AlphabarError if there are fewer than two."""
    run = Run(bundled.located(path))
    if not run.config.exists():
        raise bundled.no_run(path)
    grids_by_step = _places(run)
    if len(grids_by_step) < 2:
        have = f"only that of step {grids_by_step[0][0]:,}" if grids_by_step else "none"
        raise AlphabarError(
            f"A film needs two preview grids, and {run.samples} holds {have}; "
            "a run makes one every training.sample_every steps, which may be changed when it is resumed."
        )
    steps, grids = [step for step, _ in grids_by_step], [_grid(path) for _, path in grids_by_step]
    for step, grid in zip(steps, grids, strict=True):
        if grid.shape != grids[-1].shape:
            raise AlphabarError(
                f"The preview grid of step {step:,} in {run.samples} is {_size(grid)}, and that of step {steps[-1]:,} "
                f"is {_size(grids[-1])}: sampling.num was changed between them; move those of one size elsewhere."
            )
    return Previews(steps, titled(grids, [f"step {step:,}" for step in steps]))


def steps(path: Path) -> list[int]:
    """The training steps of the preview grids in the run directory `path`, in order; they are not read."""
    return [step for step, _ in _places(Run(path))]


def _places(run: Run) -> list[tuple[int, Path]]:
    matches = {path: re.fullmatch(r"step-(\d+)", path.stem) for path in run.samples.glob("step-*.png")}
    return sorted((int(match[1]), path) for path, match in matches.items() if match)


def is_whole(path: Path) -> bool:
    """Whether `path` is a preview grid that can be read to its end."""
    try:
        return path.is_file() and _grid(path) is not None
    except AlphabarError:
        return False


def of_step(path: Path, step: int) -> Tensor | None:
    """The preview grid of a training step in the run directory `path`, uint8 (C, H, W); None without a whole one."""
    place = Run(path).samples / f"step-{step:08d}.png"
    return _grid(place) if is_whole(place) else None


def _grid(path: Path) -> Tensor:
    try:
        with opened(path) as picture:
            pixels = np.atleast_3d(np.array(picture))
    except (OSError, SyntaxError, ValueError) as error:  # Pillow: a SyntaxError for a broken chunk
        raise AlphabarError(f"The preview grid {path} cannot be read ({error}); move it elsewhere.") from None
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())


def _size(grid: Tensor) -> str:
    return f"{grid.shape[2]}x{grid.shape[1]}" + (" in colour" if len(grid) > 1 else "")
