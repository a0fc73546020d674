"""Features -> scores with intervals, and beside each the floors: what real images score against real images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alphabar.errors import AlphabarError
from alphabar.evaluation import features as features_of
from alphabar.evaluation.references import Reference
from alphabar.files import cache_folder, digest, read_json, write_json
from alphabar.metrics import METRICS, Estimate, Extractor, Features, Metric, Moments, display_name, memorisation
from alphabar.registry import unknown

MEMORISATION = "memorisation"
CHOICES = (*METRICS, MEMORISATION)
EASIEST = "fd"
"""The metric that needs the least of the images: if it cannot be measured, nothing can."""
ENOUGH = 10_000
"""Images; distances from fewer are too large for that reason alone."""
FEWEST = 500
"""Images of a run, however few its reference has: more images than that still narrow the intervals."""
VERSION = 2  # of the metrics: raise it when their values change


def sensible_count(n_real: int | None) -> int:
    """How many images of a run are evaluated if nobody says it: as many as the reference has, within limits."""
    return ENOUGH if n_real is None else min(ENOUGH, max(n_real, FEWEST))


@dataclass(frozen=True)
class Real:
    """The features of the reference and of the held-out images, where there are any, and the key of their cache."""

    features: Features | None
    moments: Moments | None
    held_out: Features | None
    key: Mapping[str, Any]


def real(reference: Reference, extractor: Extractor) -> Real:
    """The features of a reference; all processes share the work."""
    statistics = reference.statistics.moments if reference.statistics else None
    if reference.images is None:
        return Real(None, statistics, None, {})
    features = features_of.features(reference.images, extractor, reference.about)
    key = features_of.key(reference.images, extractor, reference.about)
    if reference.held_out is None:
        return Real(features, statistics, None, key)
    held_out = features_of.features(reference.held_out, extractor, reference.about)
    return Real(features, statistics, held_out, key | {"held_out": reference.held_out.fingerprint()})


def check_names(names: Sequence[str] | None) -> None:
    """AlphabarError for a name that is not a metric."""
    for name in names or ():
        if name not in CHOICES:
            raise AlphabarError(unknown("metric", name, CHOICES))


def possible(names: Sequence[str] | None, extractor: Extractor, reference: Reference, n: int) -> list[str]:
    """The named metrics, or all that can be measured of n images; AlphabarError for one that cannot."""
    check_names(names)
    why = {name: _obstacle(name, reference, n) for name in CHOICES}
    if names is None:
        knows_classes = extractor.knows_data and reference.about.get("name") == "fashion_mnist"
        left_out = set() if knows_classes else {"classes"} if extractor.name == "inception" else {"classes", "is"}
        measurable = [name for name in CHOICES if why[name] is None and name not in left_out]
        if not {*measurable} - {MEMORISATION}:
            raise AlphabarError(f"Nothing can be measured here: {EASIEST} {why[EASIEST]}; better are {ENOUGH:,}.")
        return measurable
    for name in names:
        if why[name] is not None:
            raise AlphabarError(f"The metric '{name}' cannot be measured here: it {why[name]}.")
    return list(dict.fromkeys(names))


def _obstacle(name: str, reference: Reference, n: int) -> str | None:
    """What a metric needs and does not have; None if it can be measured."""
    needs = "features" if name == MEMORISATION else METRICS[name].needs
    if needs == "features" and reference.images is None:
        return "needs reference images, and the reference is statistics alone"
    if name == MEMORISATION:
        return None if reference.held_out is not None else f"needs held-out images, and {reference.why_not_held_out}"
    reads_images = needs == "features" or (needs == "moments" and reference.statistics is None)
    sizes = {"evaluated": n, **({"reference": reference.n} if reads_images else {})}
    for side, size in sizes.items():
        if size is not None and size < METRICS[name].least:
            return (
                f"needs at least {METRICS[name].least} {side} images, and there {'is' if size == 1 else 'are'} {size}"
            )
    return None


def measured(names: Sequence[str], fake: Features, real: Real, extractor: Extractor) -> dict[str, dict[str, Any]]:
    """By display name: the value, its interval, further entries of the metric, and the floors."""
    rows: dict[str, dict[str, Any]] = {}
    for name in names:
        if name == MEMORISATION:
            assert real.features is not None and real.held_out is not None
            share = memorisation(fake, real.features, real.held_out)
            rows[f"{MEMORISATION}-{extractor.name}"] = _row(share) | {"floor": {}}
            continue
        metric = METRICS[name]
        against = reference_for(metric, real)
        floors = {} if isinstance(against, Moments) else floors_of(name, len(fake), real)
        for quantity, estimate in metric(against, fake).items():
            rows[display_name(quantity, extractor.name)] = {
                "n_real": _size(against),
                **_row(estimate),
                "floor": {
                    name: {"n_real": floor.n_real, "n_fake": floor.n_fake, "value": floor.values[quantity]}
                    for name, floor in floors.items()
                },
            }
    return rows


def _size(real: Features | Moments | None) -> int | None:
    if isinstance(real, Moments):
        return real.n or None  # 0 where the file does not say
    return None if real is None else len(real)


def reference_for(metric: Metric, real: Real) -> Features | Moments | None:
    """The reference that a metric uses: given moments if they are enough for it, else the features."""
    return real.moments if metric.needs == "moments" and real.moments is not None else real.features


def _row(estimate: Estimate) -> dict[str, Any]:
    interval = None if estimate.low is None else [estimate.low, estimate.high]
    return {"value": estimate.value, "interval": interval, **estimate.more}


@dataclass(frozen=True)
class Floor:
    """The scores of n_fake real images against n_real others, by quantity."""

    n_real: int
    n_fake: int
    values: Mapping[str, float]


def floors_of(name: str, n: int, real: Real) -> dict[str, Floor]:
    """The metric `name` of n real images: one half of the reference against the other, held-out images against all.

    If there are fewer than n images, all of them are used; a floor is left out if they are too few for the metric.
    """
    if real.features is None:
        return {}
    half, metric = len(real.features) // 2, METRICS[name]
    pairs = {"halves": (real.features.part(0, half), real.features.part(half, half + n))}
    if real.held_out is not None:
        pairs["held_out"] = (real.features, real.held_out.part(0, n))
    cut = {floor: (metric.compared(a, len(b)), b) for floor, (a, b) in pairs.items()}
    return {
        floor: Floor(len(a), len(b), _cached(name, metric, floor, a, b, real.key))
        for floor, (a, b) in cut.items()
        if min(len(a), len(b)) >= metric.least
    }


def _cached(
    name: str, metric: Metric, floor: str, a: Features, b: Features, key: Mapping[str, Any]
) -> dict[str, float]:
    what = dict(key) | {"metric": name, "floor": floor, "n": [len(a), len(b)], "metrics_version": VERSION}
    path = cache_folder("floors") / f"{digest(what)[:32]}.json"
    try:
        kept: dict[str, float] = read_json(path)["values"]
        return kept
    except (OSError, ValueError, KeyError, TypeError):
        values = {quantity: estimate.value for quantity, estimate in metric(a, b).items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, what | {"values": values})
        return values
