"""Features -> values with intervals, and beside each the floors: what real images score against real images."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alphabar.data.files import cache_folder
from alphabar.errors import AlphabarError
from alphabar.evaluation import extraction
from alphabar.evaluation.references import Reference
from alphabar.images import atomic_file
from alphabar.metrics import METRICS, Estimate, Extractor, Features, Metric, Moments, display_name, memorisation
from alphabar.registry import unknown

MEMORISATION = "memorisation"
CHOICES = (*METRICS, MEMORISATION)
VERSION = 1  # of the metrics: raise it when their values change


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


def chosen(names: Sequence[str] | None, extractor: Extractor, reference: Reference) -> list[str]:
    """The metrics asked for, or all that can be measured; AlphabarError for one that cannot."""
    why = {name: _obstacle(name, reference) for name in CHOICES}
    if names is None:
        return [name for name in CHOICES if why[name] is None and not (name == "classes" and not extractor.knows_data)]
    for name in names:
        if why[name] is not None:
            raise AlphabarError(f"The metric '{name}' cannot be measured here: {why[name]}.")
    return list(dict.fromkeys(names))


def _obstacle(name: str, reference: Reference) -> str | None:
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
        found = metric(reference_for(metric, real), fake)
        floors = _floors(name, len(fake), real)
        for quantity, estimate in found.items():
            rows[display_name(quantity, extractor.name)] = _row(estimate) | {
                "floor": {floor: {**facts, "value": facts["values"][quantity]} for floor, facts in floors.items()}
            }
    for row in rows.values():
        for floor in row["floor"].values():
            floor.pop("values")
    return rows


def reference_for(metric: Metric, real: Real) -> Features | Moments | None:
    """What a metric looks at: moments that were given, where they do, else the features."""
    return real.moments if metric.needs == "moments" and real.moments is not None else real.features


def _row(estimate: Estimate) -> dict[str, Any]:
    interval = None if estimate.low is None else [estimate.low, estimate.high]
    return {"value": estimate.value, "interval": interval, **estimate.more}


def _floors(name: str, n: int, real: Real) -> dict[str, dict[str, Any]]:
    try:
        return floors_of(name, n, real)
    except AlphabarError:  # the halves of a small reference may be too few for what the whole is enough for
        return {}


def floors_of(name: str, n: int, real: Real) -> dict[str, dict[str, Any]]:
    """The metric `name` of n real images: of half of the reference against the other, of held-out ones against all."""
    if real.features is None:
        return {}
    metric = METRICS[name]
    half = len(real.features) // 2
    pairs = {"halves": (real.features.part(0, half), real.features.part(half, half + n))}
    if real.held_out is not None:
        pairs["held_out"] = (real.features, real.held_out.part(0, n))
    return {
        floor: {"n_real": len(a), "n_fake": len(b), "values": _cached(name, metric, floor, a, b, real.key)}
        for floor, (a, b) in pairs.items()
        if min(len(a), len(b)) > 1
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
