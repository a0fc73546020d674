"""Nearest neighbours against sorting every distance, with copies, ties, and far from zero."""

import pytest
import torch
from metric_cases import Watched, normal
from torch import Tensor

from alphabar.errors import AlphabarError
from alphabar.metrics import distances
from alphabar.metrics.distances import nearest
from alphabar.metrics.features import Rows


@pytest.fixture(params=[1, 7, 64, 1000])
def block(request, monkeypatch) -> int:
    monkeypatch.setattr(distances, "BLOCK", request.param)
    return int(request.param)


def naive(x: Tensor, y: Tensor, k: int, same: bool = False) -> tuple[Tensor, Tensor]:
    all_of_them = (x[:, None] - y).norm(dim=2)
    if same:
        all_of_them.fill_diagonal_(torch.inf)
    found = all_of_them.sort(1)
    return found.values[:, :k], found.indices[:, :k]


@pytest.mark.parametrize("k", [1, 3, 10])
def test_are_the_first_of_all_distances_sorted(block, k):
    x, y = normal(45, 6), normal(130, 6, seed=1)
    values, positions = nearest(Rows.of(x), Rows.of(y), k)
    expected, where = naive(x, y, k)
    torch.testing.assert_close(values, expected, rtol=1e-14, atol=0)
    assert torch.equal(positions, where)


@pytest.mark.parametrize("k", [1, 5])
def test_of_one_set_leave_out_the_image_itself(block, k):
    x = normal(70, 4)
    values, positions = nearest(Rows.of(x), Rows.of(x), k, same=True)
    expected, where = naive(x, x, k, same=True)
    torch.testing.assert_close(values, expected, rtol=1e-14, atol=0)
    assert torch.equal(positions, where)


def test_of_a_copy_are_the_other_copies_at_distance_zero(block):
    x = normal(20, 4)[torch.arange(60) % 20].clone()  # 0, 20 and 40 are one image
    values, positions = nearest(Rows.of(x), Rows.of(x), 3, same=True)
    assert bool((values[:, :2] == 0).all()) and bool((values[:, 2] > 0).all())
    assert bool((positions[:, :2] % 20 == torch.arange(60)[:, None] % 20).all())
    assert not bool((positions == torch.arange(60)[:, None]).any())


def test_of_different_sets_may_be_the_same_image():
    x = normal(20, 4)
    values, positions = nearest(Rows.of(x), Rows.of(x), 1)
    assert bool((values == 0).all()) and torch.equal(positions[:, 0], torch.arange(20))


def test_count_positions_from_the_start_of_the_part():
    table = normal(100, 3)
    _, positions = nearest(Rows.of(table).part(90, 95), Rows.of(table).part(50, 100), 1)
    assert positions[:, 0].tolist() == [40, 41, 42, 43, 44]


def test_keep_their_digits_far_from_zero():
    x, y = normal(30, 8), normal(200, 8, seed=1)
    far, positions = nearest(Rows.of(x + 1e8), Rows.of(y + 1e8), 3)
    torch.testing.assert_close(far, naive(x, y, 3)[0], rtol=1e-6, atol=0)
    assert torch.equal(positions, naive(x, y, 3)[1])


def test_of_float32_are_measured_in_float64():
    x, y = (normal(30, 8) + 100).float(), (normal(200, 8, seed=1) + 100).float()
    values, _ = nearest(Rows.of(x), Rows.of(y), 3)
    torch.testing.assert_close(values, naive(x.double(), y.double(), 3)[0], rtol=1e-14, atol=0)


def test_no_more_than_a_block_is_read_at_a_time():
    x, y = Watched(normal(2500, 2)), Watched(normal(3100, 2, seed=1))
    nearest(x.rows(), y.rows(), 2)
    assert x.most <= 1000 and y.most <= 1000
    assert x.total == 2500


@pytest.mark.parametrize("same", [False, True])
def test_more_neighbours_than_there_are_are_refused(same):
    rows = Rows.of(normal(5, 2))
    with pytest.raises(AlphabarError, match=f"5 images; to find {6 - same} neighbours takes 6"):
        nearest(rows, rows, 6 - same, same)
    assert nearest(rows, rows, 5 - same, same)[0].shape == (5, 5 - same)
