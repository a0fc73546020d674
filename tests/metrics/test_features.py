"""Rows are read as they are needed; sums over parts are the moments of the whole, to the last digits."""

import pytest
import torch
from metric_cases import Watched, normal

from alphabar.metrics.features import Features, Rows, merged, moments, sums


def test_a_part_reads_its_own_rows_and_no_others():
    table = normal(50, 3)
    rows = Rows.of(table).part(10, 40).part(5, 100)
    assert len(rows) == 25
    assert torch.equal(rows.load(), table[15:40])


@pytest.mark.parametrize("size", [1, 7, 25, 1000])
def test_blocks_are_the_rows_in_order(size):
    table = normal(50, 3)
    blocks = list(Rows.of(table).part(10, 35).blocks(size))
    assert max(map(len, blocks)) <= size
    assert torch.equal(torch.cat(blocks), table[10:35])


@pytest.mark.parametrize(("n", "count"), [(100, 10), (103, 10), (19, 10), (10, 10), (3, 10), (7, 1)])
def test_groups_share_the_images_out_evenly(n, count):
    table, logits = normal(n, 2), normal(n, 4, seed=1)
    groups = Features.of(table, logits).groups(count)
    assert len(groups) == min(n, count)
    assert torch.equal(torch.cat([group.vectors.load() for group in groups]), table)
    assert torch.equal(torch.cat([group.logits.load() for group in groups]), logits)
    sizes = [len(group) for group in groups]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("n", [2, 999, 1000, 1001, 2500])
def test_moments_are_the_mean_and_the_unbiased_covariance(n):
    table = normal(n, 5) @ normal(5, 5, seed=1)
    found = moments(Features.of(table))
    assert found.n == n
    torch.testing.assert_close(found.mean, table.mean(0), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found.cov, torch.cov(table.T), rtol=1e-11, atol=1e-12)


def test_moments_keep_their_digits_far_from_zero():
    table = normal(3000, 4)
    far = moments(Features.of(table + 1e7))
    torch.testing.assert_close(far.cov, torch.cov(table.T), rtol=1e-7, atol=1e-8)
    x = table + 1e7
    textbook = (x.T @ x - 3000 * torch.outer(x.mean(0), x.mean(0))) / 2999
    assert float((textbook - torch.cov(table.T)).abs().max()) > 1e-3


def test_moments_of_float32_are_summed_in_float64():
    table = (normal(5000, 3) + 100).float()
    torch.testing.assert_close(moments(Features.of(table)).cov, torch.cov(table.double().T), rtol=1e-11, atol=1e-12)


def test_moments_take_one_pass_and_a_thousand_rows_at_a_time():
    watched = Watched(normal(4321, 3))
    moments(watched.features())
    assert (watched.total, watched.most) == (4321, 1000)


def test_sums_of_the_parts_are_the_sums_of_the_whole():
    features = Features.of(normal(237, 4))
    centre = normal(4, seed=9)
    found, whole = merged([sums(group, centre) for group in features.groups(10)]), moments(features)
    assert found.n == 237
    torch.testing.assert_close(found.mean, whole.mean, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found.cov, whole.cov, rtol=1e-12, atol=1e-12)


def test_sums_about_different_centres_are_not_added():
    features = Features.of(normal(20, 4))
    with pytest.raises(ValueError, match="different centres"):
        merged([sums(group) for group in features.groups(2)])


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_images_for_moments_are_refused(n):
    with pytest.raises(ValueError, match=f"got {n}"):
        moments(Features.of(normal(n, 3)))
