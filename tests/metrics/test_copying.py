"""Copies of any training image are found with few held-out images; learning, blur and sameness are not accused."""

import pytest
import torch
from metric_cases import normal
from torch import Tensor

from alphabar.errors import AlphabarError
from alphabar.metrics import Estimate, Features, copying


def measured(fake: Tensor, train: Tensor, held_out: Tensor) -> Estimate:
    return copying(Features.of(fake), Features.of(train), Features.of(held_out))


def test_copies_of_all_training_images_are_found_with_few_held_out_ones() -> None:
    train, held_out = normal(300, 8), normal(30, 8, seed=1)
    found = measured(train + 0.1 * normal(300, 8, seed=2), train, held_out)
    assert found.value > 0.95 and found.low is not None and found.low > 0.9
    assert found.more["median_ratio"] < 0.3 < found.more["median_ratio_held_out"]


@pytest.mark.parametrize("share", [0.2, 0.6])
def test_a_share_of_copies_moves_the_value_by_half_of_it(share) -> None:
    train, held_out, fresh = normal(1000, 8), normal(500, 8, seed=1), normal(1000, 8, seed=2)
    copies = int(1000 * share)
    fresh[:copies] = train[:copies]
    assert measured(fresh, train, held_out).value == pytest.approx(0.5 + share / 2, abs=0.04)


def test_the_interval_covers_one_half_for_images_that_were_not_copied() -> None:
    estimates = [
        measured(normal(200, 8, seed=3 * n), normal(300, 8, seed=3 * n + 1), normal(40, 8, seed=3 * n + 2))
        for n in range(100)
    ]
    covered = sum(e.low <= 0.5 <= e.high for e in estimates if e.low is not None and e.high is not None)
    assert covered >= 88


@pytest.mark.parametrize("images", [0.1 * normal(200, 8, seed=5), normal(1, 8, seed=6).expand(200, 8) + 0.0])
def test_images_that_are_alike_are_not_accused(images) -> None:
    found = measured(images, normal(300, 8), normal(100, 8, seed=1))
    assert found.value < 0.75


def test_equal_ratios_count_half() -> None:
    same = torch.zeros(10, 2)
    found = measured(same, torch.zeros(5, 2), same)
    assert found.value == 0.5 and found.more["standard_error"] == 0


def test_too_few_images_are_refused_with_a_sentence() -> None:
    with pytest.raises(AlphabarError, match="9 held-out images; this needs at least 10"):
        measured(normal(20, 2), normal(20, 2), normal(9, 2))
