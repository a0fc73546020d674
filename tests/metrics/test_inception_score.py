"""The score where it is known: sure and even predictions, equal ones, and a formula written out."""

import math

import pytest
import torch
from metric_cases import normal

from alphabar.errors import AlphabarError
from alphabar.metrics.estimate import Estimate
from alphabar.metrics.features import Features
from alphabar.metrics.inception_score import inception_score


def score(logits: torch.Tensor) -> Estimate:
    return inception_score(None, Features.of(torch.zeros(len(logits), 1), logits))["score"]


@pytest.mark.parametrize("classes", [2, 10])
def test_of_sure_predictions_spread_evenly_is_the_number_of_classes(classes):
    logits = 1000 * torch.eye(classes).repeat(50, 1)
    assert score(logits).value == pytest.approx(classes, rel=1e-12)


def test_of_images_that_all_look_alike_is_one():
    assert score(normal(1, 10).repeat(200, 1)).value == pytest.approx(1, rel=1e-12)


def test_of_one_class_is_one_however_sure():
    logits = torch.zeros(200, 10)
    logits[:, 3] = 1e4
    assert score(logits).value == pytest.approx(1, rel=1e-12)


def test_is_the_exponential_of_the_mutual_information_in_each_tenth():
    logits = 2 * normal(237, 5)
    scores = []
    for g in range(10):
        p = logits[237 * g // 10 : 237 * (g + 1) // 10].softmax(1)
        scores.append(float((p * (p / p.mean(0)).log()).sum(1).mean().exp()))
    found = score(logits)
    mean = sum(scores) / 10
    std = math.sqrt(sum((s - mean) ** 2 for s in scores) / 10)
    assert found.value == pytest.approx(mean, rel=1e-12)
    assert found.more["splits"] == 10
    assert found.more["std"] == pytest.approx(std, rel=1e-12)
    assert found.high is not None
    assert found.high - found.value == pytest.approx(2.262157162798205 * std / 3, rel=1e-8)  # 3 = √(10 − 1)


def test_does_not_change_with_what_softmax_ignores():
    logits = normal(100, 5)
    shifted = score(logits + normal(100, 1, seed=1) * 100)
    assert shifted.value == pytest.approx(score(logits).value, rel=1e-10)


def test_is_between_one_and_the_number_of_classes():
    for scale in (0.01, 1, 100):
        assert 1 <= score(scale * normal(500, 7)).value <= 7


def test_float32_logits_are_worked_out_in_float64():
    logits = normal(100, 5).float()
    assert score(logits).value == pytest.approx(score(logits.double()).value, rel=1e-14)


def test_needs_logits_and_ten_images():
    with pytest.raises(AlphabarError, match="have no logits"):
        inception_score(None, Features.of(torch.zeros(20, 3)))
    with pytest.raises(AlphabarError, match="9 generated images; this needs at least 10"):
        score(normal(9, 3))
    with pytest.raises(AlphabarError, match="NaN or infinity, first in row 4"):
        score(normal(20, 3).index_fill(0, torch.tensor([4, 7]), math.nan))
