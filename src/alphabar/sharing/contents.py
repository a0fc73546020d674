"""What is published of a run: a folder with a small run, its model card and a picture."""

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alphabar import images
from alphabar.config.values import HUB
from alphabar.errors import AlphabarError
from alphabar.runs import bundled, checkpoint, origin, previews
from alphabar.runs.model import find, load_model
from alphabar.sampling.export import check_dtype, export
from alphabar.sampling.foreign import export_to
from alphabar.sampling.pipeline import Pipeline
from alphabar.sharing.card import card
from alphabar.sharing.facts import facts

CARD, PICTURE = "README.md", "samples.png"
SHOWN = 16
"""Images in the picture, if it is made now."""
FORMATS = ("diffusers",)
"""The formats of other programs that can lie beside the run."""
_LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,59}")


@dataclass(frozen=True)
class Request:
    """What is published of which run; the options of `alphabar push`."""

    run: Path
    name: str
    """owner/name."""
    weights: str = "ema"
    dtype: str = "float16"
    step: int | str | None = None
    overrides: Sequence[str] = ()
    licence: str | None = None
    """That of the weights; if None, that of the model which they come from."""
    to: str | None = None

    def __post_init__(self) -> None:
        check_dtype(self.dtype)
        if self.licence is not None and not _LICENCE.fullmatch(self.licence):
            raise AlphabarError(
                f"--license is an identifier of the Hub's, such as mit, cc-by-4.0 or other; got {self.licence!r:.80}."
            )
        if self.to is not None and self.to not in FORMATS:
            raise AlphabarError(f"Beside the run, the Hub takes --to {', '.join(FORMATS)}; got {self.to!r:.80}.")


def write(request: Request, out: Path) -> Path:
    """Write the new folder `out`, as it goes to the Hub; returns its card. AlphabarError if the run cannot be sampled.

    No path on this machine is in it.
    """
    saved = find(request.run, request.step)
    step = None if checkpoint.is_one(request.run) else saved.state["step"]
    licence = request.licence or (origin.foreign_origin(saved.state) or {}).get("licence")
    record = {"source": f"{HUB}{request.name}", "format": "alphabar"} | ({"licence": licence} if licence else {})
    export(request.run, out, request.weights, request.dtype, step, request.overrides, record)
    try:
        if request.to is not None:
            _add(request, step, out)
        pipeline = Pipeline.of(load_model(out, request.weights))
        shown = _picture(request, pipeline, out / PICTURE)
        about = facts(saved, request.run, pipeline, request.dtype)
        (out / CARD).write_text(card(request.name, about, licence, (PICTURE, shown), request.to), encoding="utf-8")
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)  # whole, or not at all
        raise
    return out / CARD


def _add(request: Request, step: int | str | None, out: Path) -> None:
    """Put the model in the format `request.to` beside the run in `out`."""
    assert request.to is not None
    beside = out / f".{request.to}"
    export_to(request.run, beside, request.to, request.weights, "float32", step)
    for path in beside.iterdir():
        path.rename(out / path.name)
    beside.rmdir()


def _picture(request: Request, pipeline: Pipeline, path: Path) -> str:
    """Write the picture, and say what it shows: the preview of this step, or images sampled from what is published."""
    step = pipeline.model.step
    is_plain = request.weights == "ema" and not request.overrides
    if is_plain and (grid := previews.of_step(bundled.located(request.run), step)) is not None:
        shown = f"Samples of the model at step {step:,}, made while it was trained."
    else:
        grid = images.sheet(pipeline.images(pipeline.job(range(SHOWN))), columns=4)
        shown = f"{SHOWN} samples, seeds 0-{SHOWN - 1}, by {pipeline.how} in {pipeline.steps_per_image:,} steps."
    images.save_png(path, grid)  # without its settings, which name the run's place
    return shown
