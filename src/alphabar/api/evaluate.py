"""`alphabar.evaluate` and `bits_per_dim`: how good the images are, and how sure that is."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

from alphabar import build, distributed, evaluation
from alphabar.api.options import Options, Seeds, changes, parsed_seeds
from alphabar.evaluation.subjects import Sampling


def evaluate(
    subject: str | Path,
    *,
    reference: str | Path | None = None,
    metrics: Sequence[str] | None = None,
    features: str = "auto",
    count: int | None = None,
    extractor_weights: Path | None = None,
    split: str | None = None,
    image_size: tuple[int, int] | None = None,
    resize: str = "none",
    data_root: Path | None = None,
    seeds: Seeds = None,
    label: str | int | None = None,
    weights: str = "ema",
    step: int | str | None = None,
    out: str | Path | None = None,
    statistics: str | Path | None = None,
    device: str = "auto",
    **options: Unpack[Options],
) -> dict[str, Any]:
    """Measure images against real ones; returns the row of `alphabar evaluate`.

    subject: a run, which is sampled first; a folder of images; an .npz.
    reference: a data set by name, a folder, an .npz of images, or one of mu and sigma; the run's own data if None.
    metrics: fd, kid, is, pr, coverage, classes, memorisation; all that can be measured if None.
    count: how many images; 10,000 of a run, all of a folder, if None.
    out: a folder for evaluations.jsonl and neighbours.png; the run if None. statistics: an .npz for mu and sigma.
    """
    request = evaluation.Request(
        subject=Path(subject),
        reference=None if reference is None else str(reference),
        metrics=metrics,
        features=features,
        extractor_weights=extractor_weights,
        count=count,
        split=split,
        image_size=image_size,
        resize=resize,
        data_root=data_root,
        sampling=Sampling(parsed_seeds(seeds), label, weights, step, changes(options)),
        out=None if out is None else Path(out),
        statistics=None if statistics is None else Path(statistics),
    )
    with distributed.session():
        return evaluation.evaluate(request, build.device(device))


def bits_per_dim(
    run: str | Path,
    *,
    kind: str = "bound",
    split: str = "test",
    count: int | None = None,
    steps: str | None = None,
    decoder: str = "exact",
    weights: str = "ema",
    step: int | str | None = None,
    batch_size: int | None = None,
    data_root: Path | None = None,
    out: str | Path | None = None,
    device: str = "auto",
) -> dict[str, Any]:
    """The bits per dimension of a run's images; returns the row of `alphabar evaluate --bpd`.

    kind: bound (the variational bound, term by term) or ode (the likelihood of the probability flow).
    steps: a shorter chain, as a number or a respacing. decoder: exact, or reference for the published approximation.
    """
    request = evaluation.BitsRequest(
        run=Path(run),
        kind=kind,
        split=split,
        count=count,
        steps=steps,
        decoder=decoder,
        weights=weights,
        step=None if step is None else str(step),
        batch_size=batch_size,
        data_root=data_root,
        out=None if out is None else Path(out),
    )
    with distributed.session():
        return evaluation.bits_per_dim(request, build.device(device))
