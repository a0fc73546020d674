"""Precision, recall, density and coverage against every distance at once, and against what they must be."""

import pytest
import torch
from metric_cases import normal
from torch import Tensor

from alphabar.errors import AlphabarError
from alphabar.metrics import distances, precision_recall
from alphabar.metrics.features import Features
from alphabar.metrics.intervals import t_interval, wilson
from alphabar.metrics.precision_recall import density_coverage


def measured(real: Tensor, fake: Tensor) -> dict[str, float]:
    x, y = Features.of(real), Features.of(fake)
    found = precision_recall.precision_recall(x, y) | density_coverage(x, y)
    return {name: estimate.value for name, estimate in found.items()}


def radii(x: Tensor, k: int) -> Tensor:
    return (x[:, None] - x).norm(dim=2).sort(1).values[:, k]  # the 0-th is the image itself


def naive(real: Tensor, fake: Tensor) -> dict[str, float]:
    gaps = (fake[:, None] - real).norm(dim=2)
    inside = gaps <= radii(real, 5)
    return {
        "precision": float((gaps <= radii(real, 3)).any(1).double().mean()),
        "recall": float((radii(fake, 3) >= gaps.T).any(1).double().mean()),
        "density": float(inside.sum(1).double().mean() / 5),
        "coverage": float(inside.any(0).double().mean()),
    }


CASES = {
    "alike": (normal(150, 3), normal(90, 3, seed=1)),
    "narrow": (normal(150, 3), 0.3 * normal(90, 3, seed=1)),
    "shifted": (normal(150, 3), normal(90, 3, seed=1) + 1.5),
    "apart": (normal(150, 3), normal(90, 3, seed=1) + 100),
    "copies within": (normal(30, 3)[torch.arange(150) % 30], normal(90, 3, seed=1)),
    "copies across": (normal(150, 3), normal(150, 3)[torch.arange(90) % 40]),
    "a grid of ties": (torch.cartesian_prod(*[torch.arange(5.0).double()] * 3), torch.ones(9, 3).double().cumsum(0)),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("block", [13, 1000])
def test_are_what_all_distances_at_once_give(name, block, monkeypatch):
    monkeypatch.setattr(distances, "BLOCK", block)
    monkeypatch.setattr(precision_recall, "BLOCK", block)
    real, fake = CASES[name]
    assert measured(real, fake) == pytest.approx(naive(real, fake), abs=1e-12)


def test_the_cases_are_not_trivial():
    assert {0.0, 1.0} < {naive(*CASES[name])["precision"] for name in CASES}
    assert 0.3 < naive(*CASES["shifted"])["recall"] < 0.9


def test_do_not_depend_on_the_order():
    real, fake = CASES["shifted"]
    order = [torch.randperm(len(x), generator=torch.Generator().manual_seed(0)) for x in (real, fake)]
    assert measured(real[order[0]], fake[order[1]]) == pytest.approx(measured(real, fake), abs=1e-12)


def test_do_not_change_with_origin_and_unit():
    real, fake = CASES["shifted"]
    assert measured(3 * real + 1e5, 3 * fake + 1e5) == pytest.approx(measured(real, fake), abs=1e-12)


def test_precision_and_recall_change_places_with_the_sets():
    real, fake = CASES["narrow"]
    there, back = measured(real, fake), measured(fake, real)
    assert (there["precision"], there["recall"]) == (back["recall"], back["precision"])
    assert there["precision"] > 0.9 > there["recall"]


@pytest.mark.parametrize("copies", [1, 7])
def test_of_the_real_images_themselves_are_perfect(copies):
    x = normal(100, 3).repeat(copies, 1)  # with 7 copies all balls have radius 0
    found = measured(x, x)
    assert (found["precision"], found["recall"], found["coverage"]) == (1, 1, 1)


def test_a_lost_mode_costs_recall_and_coverage_but_not_precision():
    real, fake = normal(200, 3), normal(200, 3, seed=1)
    real[:100] += 20
    found = measured(real, fake)
    assert found["precision"] > 0.8
    assert found["recall"] < 0.55 and found["coverage"] < 0.55


def test_one_outlier_among_real_images_fools_precision_but_not_density():
    real, fake = normal(300, 2), normal(300, 2, seed=1) + torch.tensor([8.0, 0.0])
    real[0] = torch.tensor([16.0, 0.0])
    found = measured(real, fake)
    assert found["precision"] > 0.9
    assert found["density"] < 0.3


def test_density_is_one_and_coverage_known_where_the_distributions_agree():
    """E density = 1 and E coverage = 1 − Π_{j<k} (n − 1 − j) / (n + m − 1 − j), whatever the distribution."""
    n, m, k = 60, 40, 5
    found = [measured(normal(n, 3, seed=2 * i).exp(), normal(m, 3, seed=2 * i + 1).exp()) for i in range(150)]
    missed = 1.0
    for j in range(k):
        missed *= (n - 1 - j) / (n + m - 1 - j)
    for name, truth in (("density", 1.0), ("coverage", 1 - missed)):
        values = torch.tensor([values[name] for values in found]).double()
        assert abs(float(values.mean()) - truth) < 3 * float(values.std()) / 150**0.5
        assert float(values.std()) / 150**0.5 < 0.01


def test_intervals_are_wilsons_for_shares_and_say_what_is_held_fixed():
    real, fake = (Features.of(x) for x in CASES["shifted"])
    found = precision_recall.precision_recall(real, fake) | density_coverage(real, fake)
    for name, n in (("precision", 90), ("recall", 150), ("coverage", 150)):
        assert (found[name].low, found[name].high) == pytest.approx(wilson(found[name].value, n))
    inside = (torch.cdist(fake.vectors.load(), real.vectors.load()) <= radii(real.vectors.load(), 5)).sum(
        1
    ).double() / 5
    low, high = t_interval(float(inside.mean()), float(inside.std() / 90**0.5), 89)
    assert (found["density"].low, found["density"].high) == pytest.approx((low, high), rel=1e-9)
    assert [found[name].more["k"] for name in found] == [3, 3, 5, 5]
    assert all("held fixed" in estimate.more["interval_of"] for estimate in found.values())


def test_too_few_images_for_the_neighbours_are_refused():
    with pytest.raises(AlphabarError, match="3 real images; this needs at least 4"):
        precision_recall.precision_recall(Features.of(normal(3, 2)), Features.of(normal(9, 2)))
    with pytest.raises(AlphabarError, match="5 generated images; this needs at least 6"):
        density_coverage(Features.of(normal(9, 2)), Features.of(normal(5, 2)))
