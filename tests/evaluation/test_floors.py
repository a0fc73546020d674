"""What real images score against other real images, with which a model's score is compared."""

import pytest
import torch

from alphabar.evaluation.scores import Real, floors_of
from alphabar.metrics import METRICS, Features


def drawn(count: int, seed: int) -> Features:
    return Features.of(torch.randn(count, 4, generator=torch.Generator().manual_seed(seed)))


@pytest.mark.parametrize("name", ["fd", "kid"])
def test_the_floors_are_of_two_halves_without_a_common_image_and_of_held_out_images(name: str) -> None:
    features, held_out = drawn(300, 0), drawn(80, 1)
    floors = floors_of(name, 60, Real(features, None, held_out, {"name": "of this test"}))
    metric = METRICS[name]
    pairs = {"halves": (features.part(0, 150), features.part(150, 210)), "held_out": (features, held_out.part(0, 60))}
    assert set(floors) == set(pairs)
    for floor, (a, b) in pairs.items():
        assert (floors[floor].n_real, floors[floor].n_fake) == (len(a), len(b)) == ({"halves": 150}.get(floor, 300), 60)
        assert floors[floor].values == {quantity: estimate.value for quantity, estimate in metric(a, b).items()}


def test_a_floor_of_too_few_images_is_left_out() -> None:
    assert set(floors_of("fd", 60, Real(drawn(4, 0), None, drawn(80, 1), {}))) == {"held_out"}
