"""`alphabar.evaluate` and `bits_per_dim`: how good the images are, and how sure that is."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

from alphabar import build, distributed, evaluation
from alphabar.api.model import Model
from alphabar.api.options import Options, Seeds, StrPath, background_colour, changes, path, seed_list
from alphabar.errors import AlphabarError, sentences
from alphabar.evaluation.reading import HowRead
from alphabar.evaluation.subjects import HowSampled
from alphabar.images import Colour
from alphabar.runs.model import DataPlace, LoadedModel


def _subject(
    subject: Model | StrPath, weights: str, step: int | str | None, data: StrPath | None
) -> Path | LoadedModel:
    if not isinstance(subject, Model):
        return Path(subject)
    given = {"weights": weights != "ema", "step": step is not None, "data": data is not None}
    if unused := [name for name, is_given in given.items() if is_given]:
        raise AlphabarError(f"This model is loaded already; choose {' and '.join(unused)} in alphabar.load.")
    return subject.loaded


@sentences()
def evaluate(
    subject: Model | StrPath,
    *,
    reference: StrPath | None = None,
    metrics: str | Sequence[str] | None = None,
    features: str = "auto",
    count: int | None = None,
    extractor_weights: StrPath | None = None,
    split: str | None = None,
    image_size: tuple[int, int] | None = None,
    resize: str | None = None,
    background: Colour | str | None = None,
    white: float | None = None,
    data: StrPath | None = None,
    data_root: StrPath | None = None,
    seeds: Seeds = None,
    label: str | int | None = None,
    weights: str = "ema",
    step: int | str | None = None,
    out: StrPath | None = None,
    statistics: StrPath | None = None,
    device: str = "auto",
    **options: Unpack[Options],
) -> dict[str, Any]:
    """Measure images against real ones; returns the row of `alphabar evaluate`.

    Under torchrun the processes share the work, and the metrics are in the row of the first process.

    subject: a run or a model, which is sampled first; a folder of images; an .npz.
    reference: a data set by name, a folder, an .npz of images, or one of mu and sigma; the run's own data if None.
    metrics: fd, kid, is, pr, coverage, classes, memorisation; all that can be measured if None.
    image_size, resize, background, white: how files are read; as the run's own data, else as they are stored, if None.
    count: how many images; if None, all of a folder, and of a run as many as the reference has, from 500 to 10,000.
    data: the run's own images, if they were moved. data_root: the files of a published data set.
    out: a folder for evaluations.jsonl and neighbours.png; the run if None. statistics: an .npz for mu and sigma.
    """
    request = evaluation.Request(
        subject=_subject(subject, weights, step, data),
        reference=None if reference is None else str(reference),
        metrics=[name.strip() for name in metrics.split(",")] if isinstance(metrics, str) else metrics,
        features=features,
        extractor_weights=path(extractor_weights),
        count=count,
        split=split,
        reading=HowRead(image_size, resize, background_colour(background), white),
        place=DataPlace(path(data), path(data_root)),
        sampling=HowSampled(None if seeds is None else seed_list(seeds), label, weights, step, changes(options)),
        out=path(out),
        statistics=path(statistics),
    )
    with distributed.session():
        return evaluation.evaluate(request, build.device(device))


@sentences()
def bits_per_dim(
    run: Model | StrPath,
    *,
    kind: str = "bound",
    split: str = "test",
    count: int | None = None,
    steps: int | str | None = None,
    spacing: str | None = None,
    decoder: str = "exact",
    weights: str = "ema",
    step: int | str | None = None,
    batch_size: int | None = None,
    data: StrPath | None = None,
    data_root: StrPath | None = None,
    out: StrPath | None = None,
    device: str = "auto",
) -> dict[str, Any]:
    """The bits per dimension of a run's images; returns the row of `alphabar evaluate --bpd`.

    kind: bound (the variational bound, term by term) or ode (the likelihood of the probability flow).
    data: the run's own images, if they were moved. data_root: the files of a published data set.
    steps: a shorter chain, as a number or a respacing. spacing: which timesteps, for a number: a key of SPACINGS, or
        optimal.
    decoder: exact, or reference for the published approximation.
    """
    request = evaluation.BitsRequest(
        run=_subject(run, weights, step, data),
        kind=kind,
        split=split,
        count=count,
        steps=None if steps is None else str(steps),
        spacing=spacing,
        decoder=decoder,
        weights=weights,
        step=None if step is None else str(step),
        batch_size=batch_size,
        place=DataPlace(path(data), path(data_root)),
        out=path(out),
    )
    with distributed.session():
        return evaluation.bits_per_dim(request, build.device(device))
