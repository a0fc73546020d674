"""The scores of a run's evaluations, as a model card states them: of the published weights alone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from alphabar import names
from alphabar.terminal import printable


@dataclass(frozen=True)
class Score:
    """A quantity of one evaluation, and how it was measured."""

    name: str
    value: float
    interval: tuple[float, float] | None
    """95 %."""
    interval_of: str
    """What the interval is of, or why there is none."""
    unit: str
    how: str
    """The images that were compared, and how they were sampled."""
    against: str
    """The real images, without their place."""
    split: str
    data: str = ""
    """The name of the published data set that the real images are of; empty for other ones."""
    warnings: tuple[str, ...] = ()
    """What limits the evaluation, such as few images."""


def scores(rows: Sequence[Mapping[str, Any]], sha256: str) -> list[Score]:
    """The scores in the rows of evaluations.jsonl that are of the weights with this sha256.

    Of evaluations of one kind, the newest counts. A row or an entry that another program has damaged is passed over.
    """
    found: dict[tuple[str, str, str], Score] = {}
    for row in rows:
        try:
            measured = list(_of_images(row, sha256) if "metrics" in row else _of_bits(row, sha256))
        except (KeyError, TypeError, ValueError, AttributeError):
            continue
        found |= {(score.name, score.how, score.against): score for score in measured}
    return list(found.values())


def _of_images(row: Mapping[str, Any], sha256: str) -> Iterator[Score]:
    about, real, extractor = row["images"], row["reference"], row["extractor"]
    if about.get("weights_sha256") != sha256:
        return
    eta = "" if about.get("eta") is None else f", η = {about['eta']:g}"
    guided = about.get("guidance_scale")
    how = f"{row['n_fake']:,} images, {about['sampler']}{eta}, {about['nfe']} network calls per image"
    how += f", guidance {guided:g}" if guided is not None else ""
    how += f", class {about['class']} alone" if about.get("class") is not None else ""
    unit = f"features of {extractor['name']}, {extractor['dim']} dimensions, weights {extractor['weights_sha256'][:12]}"
    # One that holds a slash may hold a path of somebody's.
    warnings = tuple(printable(str(text)) for text in row.get("warnings", ()) if "/" not in str(text))
    for name, entry in row["metrics"].items():
        score = _score(name, entry, unit, how, _against(real, row["n_real"]), str(real.get("split", "")))
        yield replace(score, data=_published(real.get("name")), warnings=warnings)


def _of_bits(row: Mapping[str, Any], sha256: str) -> Iterator[Score]:
    if row.get("weights_sha256") != sha256:
        return
    bound = "probability flow" if row["kind"] == "ode" else "variational bound"
    how = f"{row['n']:,} images, {bound}, {row['steps']:,} of {row['T']:,} steps, decoder {row['decoder']}"
    whose = _published(row["data"]) or "the author's own images"
    against = f"the {row['split']} split of {whose}"
    unit = "bits per dimension (a channel of a pixel)"
    score = _score("bits/dim", row["bits_per_dim"]["total"], unit, how, against, str(row["split"]))
    yield replace(score, data=_published(row["data"]))


def _score(name: str, entry: Mapping[str, Any], unit: str, how: str, against: str, split: str) -> Score:
    interval = entry.get("interval")
    of = entry.get("no_interval") or entry.get("interval_of") or ""
    bounds = (float(interval[0]), float(interval[1])) if interval is not None else None
    of, unit, how, against, split = (printable(str(text)) for text in (of, unit, how, against, split))
    return Score(printable(str(name)), float(entry["value"]), bounds, of, unit, how, against, split)


def _against(real: Mapping[str, Any], count: int | None) -> str:
    """The reference in words. A path is not among them: it names places on somebody's machine."""
    images = f"{count:,} real images" if count else "real images"
    if real.get("is_what_was_trained_on"):
        return f"{images}, those of the training"
    return f"{images} of {_published(real.get('name')) or 'other data'}, split {real.get('split', '?')}"


def _published(name: object) -> str:
    """The name of a published data set; empty for anything else."""
    return str(name) if name in names.PUBLISHED_DATA else ""
