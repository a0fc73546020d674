"""Class coverage where the shares are known, and how much of a gap is chance."""

import pytest
import torch
from metric_cases import normal
from torch import Tensor

from alphabar.errors import AlphabarError
from alphabar.metrics.classes import class_coverage
from alphabar.metrics.estimate import Estimate
from alphabar.metrics.features import Features


def of_classes(classes: Tensor, count: int) -> Features:
    """Images that the classifier takes for these classes."""
    return Features.of(torch.zeros(len(classes), 1), torch.nn.functional.one_hot(classes, count).float())


def drawn(shares: list[float], n: int, seed: int = 0) -> Features:
    source = torch.Generator().manual_seed(seed)
    return of_classes(torch.multinomial(torch.tensor(shares), n, True, generator=source), len(shares))


def coverage(real: Features, fake: Features) -> Estimate:
    return class_coverage(real, fake)["class_coverage"]


def test_is_one_less_the_total_variation_of_the_shares():
    real = of_classes(torch.tensor([0, 0, 1, 1, 1, 2, 2, 2, 2, 2]), 4)
    fake = of_classes(torch.tensor([0, 1, 1, 3]), 4)
    found = coverage(real, fake)
    assert found.more["reference_histogram"] == pytest.approx([0.2, 0.3, 0.5, 0])
    assert found.more["histogram"] == pytest.approx([0.25, 0.5, 0, 0.25])
    total_variation = (0.05 + 0.2 + 0.5 + 0.25) / 2
    assert found.value == pytest.approx(1 - total_variation)


def test_a_lost_class_costs_its_share():
    real = of_classes(torch.arange(1000) % 10, 10)
    fake = of_classes(torch.arange(900) % 9, 10)
    assert coverage(real, fake).value == pytest.approx(0.9)


def test_is_one_for_equal_shares_and_zero_for_none_in_common():
    real = of_classes(torch.arange(300) % 3, 6)
    assert coverage(real, of_classes(torch.arange(60) % 3, 6)).value == pytest.approx(1)
    none = coverage(real, of_classes(torch.arange(60) % 3 + 3, 6))
    assert (none.value, none.low) == (0, 0)


def test_the_interval_stays_between_none_and_all():
    fake = torch.arange(20) % 4 + 4
    fake[0] = 0
    nearly_none = coverage(of_classes(torch.arange(20) % 4, 8), of_classes(fake, 8))
    assert (nearly_none.value, nearly_none.low) == (pytest.approx(0.05), 0)
    nearly_all = coverage(drawn([0.5, 0.5], 40), drawn([0.5, 0.5], 40, 1))
    assert nearly_all.value < 1 and nearly_all.high == 1


def test_is_symmetric_and_does_not_depend_on_the_order():
    real, fake = drawn([0.2, 0.3, 0.5], 200), drawn([0.4, 0.3, 0.3], 300, 1)
    assert coverage(real, fake).value == pytest.approx(coverage(fake, real).value)
    assert fake.logits is not None
    backwards = Features.of(torch.zeros(300, 1), fake.logits.load().flip(0))
    assert coverage(real, backwards).value == pytest.approx(coverage(real, fake).value)


def test_chance_is_the_gap_of_two_samples_of_one_distribution():
    shares = [0.05, 0.1, 0.15, 0.3, 0.4]
    found = [coverage(drawn(shares, 1000, 2 * i), drawn(shares, 400, 2 * i + 1)) for i in range(100)]
    gap, chance = (sum(values) / 100 for values in ([1 - e.value for e in found], [e.more["chance"] for e in found]))
    assert chance == pytest.approx(gap, rel=0.1)
    assert all(e.high == 1 for e in found)


def test_the_most_likely_class_counts_whatever_the_logits():
    logits = normal(50, 4)
    real, fake = Features.of(torch.zeros(50, 1), logits), Features.of(torch.zeros(50, 1), 7 * logits - 3)
    assert coverage(real, fake).value == 1


def test_needs_logits_of_both_for_the_same_classes():
    real = of_classes(torch.arange(30) % 3, 3)
    with pytest.raises(AlphabarError, match="real images have no logits"):
        coverage(Features.of(torch.zeros(30, 1)), real)
    with pytest.raises(AlphabarError, match="3 classes and the generated ones 4"):
        coverage(real, of_classes(torch.arange(30) % 4, 4))
