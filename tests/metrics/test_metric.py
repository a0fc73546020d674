"""What all the metrics have in common; a new one is held to it as soon as it is listed."""

import math

import pytest
import torch
from metric_cases import Watched, normal

from alphabar.errors import AlphabarError
from alphabar.metrics.features import Features, Rows, moments
from alphabar.metrics.metric import METRIC_OF, METRICS, QUANTITIES


def features(n: int, seed: int, shift: float = 0.0) -> Features:
    return Features.of((normal(n, 5, seed=seed) + shift).float(), 3 * (normal(n, 4, seed=seed + 1) + shift).float())


@pytest.fixture
def real() -> Features:
    return features(240, 0)


@pytest.fixture
def fake() -> Features:
    return features(180, 10, shift=0.3)


def test_every_quantity_is_given_by_its_metric_and_no_other(real, fake):
    given = {name: set(metric(real, fake)) for name, metric in METRICS.items()}
    assert given == {name: {q for q in QUANTITIES if METRIC_OF[q] == name} for name in METRICS}


@pytest.mark.parametrize("name", METRICS)
def test_estimates_are_finite_with_an_interval_that_says_of_what(name, real, fake):
    for quantity, estimate in METRICS[name](real, fake).items():
        assert math.isfinite(estimate.value), quantity
        assert estimate.low is not None and estimate.high is not None and estimate.low < estimate.high
        assert estimate.more["interval_of"]


@pytest.mark.parametrize("name", METRICS)
def test_the_better_of_two_sets_scores_better(name, real):
    """A sample of the real distribution, and one of a narrower one elsewhere that is sure of one class."""
    good, bad = features(240, 20), features(240, 20)
    assert bad.logits is not None
    bad = Features.of(0.2 * bad.vectors.load() + 3, 0.1 * bad.logits.load() + torch.tensor([5.0, 0, 0, 0]))
    better, worse = METRICS[name](real, good), METRICS[name](real, bad)
    for quantity in better:
        lower = better[quantity].value < worse[quantity].value
        assert lower == QUANTITIES[quantity].lower_is_better, quantity


@pytest.mark.parametrize("name", METRICS)
def test_values_do_not_depend_on_how_the_images_are_read(name, real, fake):
    """A part of a larger table, read from its middle, is as good as a table."""

    def inside(rows: Rows | None) -> Rows | None:
        if rows is None:
            return None
        table = torch.nn.functional.pad(rows.load(), (0, 0, 7, 3), value=math.nan)
        return Rows.of(table).part(7, 7 + len(rows))

    def elsewhere(features: Features) -> Features:
        vectors = inside(features.vectors)
        assert vectors is not None
        return Features(vectors, inside(features.logits))

    assert METRICS[name](elsewhere(real), elsewhere(fake)) == METRICS[name](real, fake)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_features_that_are_not_finite_are_refused(name, bad, real, fake):
    assert fake.logits is not None
    vectors, logits = fake.vectors.load().clone(), fake.logits.load().clone()
    vectors[70, 2] = logits[70, 2] = bad
    with pytest.raises(AlphabarError, match="of the generated images contain NaN or infinity, first in row 70"):
        METRICS[name](real, Features.of(vectors, logits))


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.logits])
def test_a_classifier_is_asked_for_where_one_is_needed(name, real, fake):
    with pytest.raises(AlphabarError, match="generated images have no logits"):
        METRICS[name](real, Features(fake.vectors))


@pytest.mark.parametrize("name", METRICS)
def test_the_reference_may_be_no_more_than_is_needed(name, real, fake):
    metric = METRICS[name]
    least = {"nothing": None, "moments": moments(real), "features": real}[metric.needs]
    assert [e.value for e in metric(least, fake).values()] == pytest.approx(
        [e.value for e in metric(real, fake).values()]
    )
    for less in {"nothing": [], "moments": [None], "features": [None, moments(real)]}[metric.needs]:
        with pytest.raises(AlphabarError, match=r"give it reference images|needs a reference"):
            metric(less, fake)


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.as_many])
def test_manifolds_are_compared_with_as_many_real_images_as_generated_ones(name, real, fake):
    found, expected = METRICS[name](real, fake), METRICS[name].measure(real.part(0, 180), fake)
    assert {q: e.value for q, e in found.items()} == {q: e.value for q, e in expected.items()}
    assert all(e.more["n_real"] == 180 for e in found.values())
    assert all(e.more["n_real"] == 50 for e in METRICS[name](real.part(0, 50), fake).values())
    assert METRICS[name].measure(real, fake) != expected


@pytest.mark.parametrize("name", METRICS)
def test_never_more_than_a_thousand_images_are_read_at_a_time(name):
    real, fake = Watched(normal(2100, 2).float()), Watched(normal(2100, 2, seed=1).float())
    logits = Rows.of(normal(2100, 3, seed=2).float())
    METRICS[name](Features(real.rows(), logits), Features(fake.rows(), logits))
    assert real.most <= 1000 and fake.most <= 1000


def test_as_many_logits_as_vectors(real):
    with pytest.raises(AlphabarError, match="5 rows of logits for 180 generated images"):
        METRICS["is"](None, Features.of(normal(180, 3), normal(5, 3)))
