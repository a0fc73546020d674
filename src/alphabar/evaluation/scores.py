"""Features -> values with intervals, and beside each the floors: what real images score against real images."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alphabar.errors import AlphabarError
from alphabar.evaluation import features as extraction
from alphabar.evaluation.references import Reference
from alphabar.files import atomic_file, cache_folder
from alphabar.metrics import METRICS, Estimate, Extractor, Features, Metric, Moments, display_name, memorisation
from alphabar.registry import unknown

MEMORISATION = "memorisation"
CHOICES = (*METRICS, MEMORISATION)
ENOUGH = 10_000
"""Images; with fewer, distances are large for that alone."""
VERSION = 2  # of the metrics: raise it when their values change


@dataclass(frozen=True)
class Real:
    """The features of the reference and of the held-out images, each as far as there are any, and what made them."""

    features: Features | None
    moments: Moments | None
    held_out: Features | None
    key: Mapping[str, Any]


def real(reference: Reference, extractor: Extractor) -> Real:
    """Of a reference; all processes share the work."""
    statistics = reference.statistics.moments if reference.statistics else None
    if reference.images is None:
        return Real(None, statistics, None, {})
    features = extraction.features(reference.images, extractor, reference.about)
    key = extraction.key(reference.images, extractor, reference.about)
    if reference.held_out is None:
        return Real(features, statistics, None, key)
    held_out = extraction.features(reference.held_out, extractor, reference.about)
    return Real(features, statistics, held_out, key | {"held_out": reference.held_out.fingerprint()})


def check_names(names: Sequence[str] | None) -> None:
    """AlphabarError for one that is none."""
    for name in names or ():
        if name not in CHOICES:
            raise AlphabarError(unknown("metric", name, CHOICES))


def chosen(names: Sequence[str] | None, extractor: Extractor, reference: Reference, n: int) -> list[str]:
    """The metrics asked for, or all that can be measured of n images; AlphabarError for one that cannot."""
    check_names(names)
    why = {name: _obstacle(name, reference, n) for name in CHOICES}
    if names is None:
        knows_classes = extractor.knows_data and reference.about.get("name") == "fashion_mnist"
        left_out = set() if knows_classes else {"classes"} if extractor.name == "inception" else {"classes", "is"}
        found = [name for name in CHOICES if why[name] is None and name not in left_out]
        if not found:
            raise AlphabarError(f"{n} images are too few for any metric; evaluate at least 3, better {ENOUGH:,}.")
        return found
    for name in names:
        if why[name] is not None:
            raise AlphabarError(f"The metric '{name}' cannot be measured here: {why[name]}.")
    return list(dict.fromkeys(names))


def _obstacle(name: str, reference: Reference, n: int) -> str | None:
    if name != MEMORISATION:
        real = len(reference.images) if reference.images is not None and METRICS[name].needs != "nothing" else n
        if min(n, real) < METRICS[name].least:
            return f"it needs at least {METRICS[name].least} images of each kind, and there are {min(n, real)}"
    if reference.images is None and (name == MEMORISATION or METRICS[name].needs == "features"):
        return "it needs reference images, and the reference is statistics alone"
    if name == MEMORISATION and reference.held_out is None:
        return "it needs held-out images, and the reference has no test split"
    return None


def measured(names: Sequence[str], fake: Features, real: Real, extractor: Extractor) -> dict[str, dict[str, Any]]:
    """By display name: value, interval, what else there is to say, and the floors."""
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
                    floor: {"n_real": found.n_real, "n_fake": found.n_fake, "value": found.values[quantity]}
                    for floor, found in floors.items()
                },
            }
    return rows


def _size(real: Features | Moments | None) -> int | None:
    if isinstance(real, Moments):
        return real.n or None  # 0 where the file does not say
    return None if real is None else len(real)


def reference_for(metric: Metric, real: Real) -> Features | Moments | None:
    """What a metric looks at: moments that were given, where they do, else the features."""
    return real.moments if metric.needs == "moments" and real.moments is not None else real.features


def _row(estimate: Estimate) -> dict[str, Any]:
    interval = None if estimate.low is None else [estimate.low, estimate.high]
    return {"value": estimate.value, "interval": interval, **estimate.more}


@dataclass(frozen=True)
class Floor:
    """What n_fake real images score against n_real others, by quantity."""

    n_real: int
    n_fake: int
    values: Mapping[str, float]


def floors_of(name: str, n: int, real: Real) -> dict[str, Floor]:
    """The metric `name` of n real images: of half of the reference against the other, of held-out ones against all.

    Of as many as there are, where there are not n; none where those are too few for the metric.
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
    digest = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:32]
    path = cache_folder("floors") / f"{digest}.json"
    try:
        kept: dict[str, float] = json.loads(path.read_text())["values"]
        return kept
    except (OSError, ValueError, KeyError, TypeError):
        values = {quantity: estimate.value for quantity, estimate in metric(a, b).items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as file:
            file.write(json.dumps(what | {"values": values}, indent=1).encode())
        return values
