"""`alphabar.export` and `film`: a run as a small model, or as a film of its training."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from alphabar import films, outputs
from alphabar.api.model import Model
from alphabar.api.options import StrPath
from alphabar.errors import sentences
from alphabar.runs.previews import previews
from alphabar.sampling.export import export as write_export


def _path(run: Model | StrPath) -> Path:
    return run.loaded.path if isinstance(run, Model) else Path(run)


@sentences()
def export(
    run: Model | StrPath,
    out: StrPath,
    *,
    weights: str = "ema",
    dtype: str = "float16",
    step: int | str | None = None,
    overrides: Mapping[str, Any] | Sequence[str] = (),
) -> Path:
    """Write a small run to share: one set of weights in half precision, without the state that training needs.

    out: a new folder. overrides: settings of [sampling], its default way of sampling. Returns the file of the weights.
    """
    return write_export(_path(run), Path(out), weights, dtype, step, overrides)


def training_film(run: Model | StrPath, out: StrPath | None, seconds: float) -> tuple[Path, list[int]]:
    """Write the film of a run; returns its path and the steps of its frames."""
    path = Path(out) if out is not None else _path(run) / "film.gif"
    films.check(path)
    outputs.check(path, outputs.FILM)
    grids = previews(_path(run))
    outputs.prepare(path.parent, path=path)
    films.save(path, grids.frames, seconds, comment=f"training steps {', '.join(map(str, grids.steps))}")
    return path, grids.steps


@sentences()
def film(run: Model | StrPath, out: StrPath | None = None, *, seconds: float = 6.0) -> Path:
    """A film of a training run: its preview grids, made from the same seeds every training.sample_every steps.

    out: a .gif, .webp, or (with ffmpeg) .mp4 file; film.gif in the run if None. Returns its path.
    """
    return training_film(run, out, seconds)[0]
