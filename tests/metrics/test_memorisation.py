"""Copies are found, learning is not accused, and the coin tosses are those of the labels."""

import itertools
import math
from statistics import NormalDist

import pytest
import torch
from metric_cases import generator, normal
from torch import Tensor

from alphabar.errors import AlphabarError
from alphabar.metrics.estimate import Estimate
from alphabar.metrics.features import Features
from alphabar.metrics.memorisation import memorisation


def measured(fake: Tensor, train: Tensor, held_out: Tensor) -> Estimate:
    return memorisation(Features.of(fake), Features.of(train), Features.of(held_out))


def test_copies_of_training_images_are_found():
    train, held_out = normal(300, 8), normal(300, 8, seed=1)
    found = measured(train[:100] + 1e-3 * normal(100, 8, seed=2), train, held_out)
    assert found.value == 1
    assert found.more["p"] < 1e-15
    assert found.low is not None and found.low > 0.85 and found.high == 1
    assert found.more["median_distance_train"] < 0.01 < found.more["median_distance_held_out"]


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_a_share_of_copies_moves_the_value_by_half_of_it(share):
    train, held_out, fresh = normal(1000, 8), normal(1000, 8, seed=1), normal(1000, 8, seed=2)
    copies = int(1000 * share)
    fresh[:copies] = train[:copies]
    found = measured(fresh, train, held_out)
    assert found.value == pytest.approx(0.5 + share / 2, abs=0.04)
    assert found.more["p"] < 0.01


def test_fresh_images_are_not_accused():
    found = measured(normal(500, 8), normal(500, 8, seed=1), normal(500, 8, seed=2))
    assert found.low is not None and found.high is not None and found.low < 0.5 < found.high
    assert 0.01 < found.more["p"] < 0.99


def test_copies_of_held_out_images_are_no_memorisation():
    train, held_out = normal(300, 8), normal(300, 8, seed=1)
    found = measured(held_out, train, held_out)
    assert (found.value, found.low) == (0, 0)
    assert found.more["p"] > 0.99


def test_as_many_training_as_held_out_images_are_looked_at():
    train, held_out = normal(900, 4), normal(100, 4, seed=1)
    found = measured(train[:50], train, held_out)
    assert found.more["n_each"] == 100 and found.value == 1
    assert measured(train[500:550], train, held_out).value < 1  # the price: these are not among the first 100


def test_more_held_out_than_training_images_are_left_aside():
    fake, train, held_out = normal(50, 4), normal(100, 4, seed=1), normal(900, 4, seed=2)
    assert measured(fake, train, held_out) == measured(fake, train, held_out[:100])


def test_an_image_in_both_sets_counts_half():
    both = normal(50, 4)
    found = measured(both, both, both)
    assert found.value == 0.5 and found.more["p"] == 0.5


def test_error_is_that_of_all_ways_to_label_the_reference_images():
    """Exactly: every split of 8 images into 4 and 4, the positions held fixed."""
    reference, fake = normal(8, 2), normal(12, 2, seed=1)
    shares, errors = [], []
    for chosen in itertools.combinations(range(8), 4):
        mask = torch.zeros(8, dtype=torch.bool).index_fill(0, torch.tensor(chosen), True)
        found = measured(fake, reference[mask], reference[~mask])
        shares.append(found.value)
        errors.append(found.more["standard_error"])
    mean = sum(shares) / 70
    assert mean == pytest.approx(0.5)
    exact = math.sqrt(sum((s - mean) ** 2 for s in shares) / 70)
    assert errors == pytest.approx([exact] * 70)
    assert exact > 1.1 * 0.5 / math.sqrt(12)  # not a coin toss per generated image: some are near the same one


def test_one_hub_that_all_are_near_to_proves_nothing():
    train, held_out = normal(200, 3) + 50, normal(200, 3, seed=1) + 50
    train[0] = 0
    found = measured(0.1 * normal(300, 3, seed=2), train, held_out)
    assert found.value == 1
    assert found.more["p"] > 0.1


def test_p_is_that_of_the_normal():
    found = measured(normal(100, 3), normal(80, 3, seed=1), normal(80, 3, seed=2))
    assert found.more["z"] == pytest.approx((found.value - 0.5) / found.more["standard_error"])
    assert found.more["p"] == pytest.approx(1 - NormalDist().cdf(found.more["z"]))


def test_does_not_depend_on_the_order():
    fake, train, held_out = normal(100, 3), normal(80, 3, seed=1), normal(80, 3, seed=2)
    order = torch.randperm(80, generator=generator(0))
    assert measured(fake.flip(0), train[order], held_out) == measured(fake, train, held_out)


def test_input_that_cannot_be_compared_is_refused():
    with pytest.raises(AlphabarError, match="0 held-out images; this needs at least 1"):
        measured(normal(9, 3), normal(9, 3), normal(0, 3))
    with pytest.raises(AlphabarError, match="held-out images have 4 features and the generated ones 3"):
        measured(normal(9, 3), normal(9, 3), normal(9, 4))
