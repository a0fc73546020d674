"""`alphabar.export` and `film`: a run as a small model, or as a film of its training."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from alphabar import films
from alphabar.api.model import Model
from alphabar.api.options import StrPath
from alphabar.errors import AlphabarError, sentences
from alphabar.files import outputs
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
    dtype: str | None = None,
    step: int | str | None = None,
    overrides: Mapping[str, Any] | Sequence[str] = (),
    to: str | None = None,
) -> Path:
    """Write a small run to share: one set of weights in half precision, without the state that training needs.

    out: a new folder. overrides: settings of [sampling], its default way of sampling. dtype: float16 if None.
    to: a key of `alphabar.interop.TARGETS`, to write the model in the format of another program instead; in float32 if
    dtype is None. Returns the file of the weights.
    """
    if to is not None:
        return export_to(run, out, to, weights=weights, dtype=dtype, step=step, overrides=tuple(overrides))[0]
    return write_export(_path(run), Path(out), weights, dtype or "float16", step, overrides)


@sentences()
def export_to(
    run: Model | StrPath,
    out: StrPath,
    target: str,
    *,
    weights: str = "ema",
    dtype: str | None = None,
    step: int | str | None = None,
    overrides: Sequence[str] = (),
) -> tuple[Path, list[str]]:
    """Write the model of a run in the format `target` of another program, a key of `alphabar.interop.TARGETS`.

    out: a new folder, or file. Returns the file of the weights, and the lines that say how to use it.
    """
    from alphabar.sampling.foreign import export_to as write

    if overrides:
        raise AlphabarError(f"--to {target} takes no settings of [sampling]; got {overrides[0]}.")
    return write(_path(run), Path(out), target, weights, dtype or "float32", step)


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
