"""KID against all pairs at once, against the truth for Gaussians, and its jackknife against computing it afresh."""

import pytest
import torch
from metric_cases import Watched, covariance, gaussian, kernel_distance, moment_gap, normal
from torch import Tensor

from alphabar.errors import AlphabarError
from alphabar.metrics.features import Features
from alphabar.metrics.kernel import kid


def k(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3


def naive(x: Tensor, y: Tensor) -> float:
    """Over all pairs of different images."""
    n, m = len(x), len(y)
    xx, yy = (k(z, z).masked_fill(torch.eye(len(z), dtype=torch.bool), 0).sum() for z in (x, y))
    return float(xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2 * k(x, y).mean())


def value(x: Tensor, y: Tensor) -> float:
    return kid(Features.of(x), Features.of(y))["kid"].value


def tables(n: int = 123, m: int = 457, d: int = 5) -> tuple[Tensor, Tensor]:
    return normal(n, d) @ covariance(d), normal(m, d, seed=1) + 0.2


@pytest.mark.parametrize(("n", "m"), [(3, 3), (11, 7), (123, 457), (2500, 1101)])
def test_is_the_u_statistic_over_all_pairs(n, m):
    x, y = tables(n, m)
    assert value(x, y) == pytest.approx(naive(x, y), rel=1e-10)


def test_keeps_the_digits_of_small_distances():
    x, y = normal(400, 4) + 30, normal(500, 4, seed=1) + 30.001
    terms = float(k(x, y).mean())
    assert abs(value(x, y) - naive(x, y)) < 1e-13 * terms


def test_float32_features_are_multiplied_in_float64():
    x, y = (z.float() for z in tables())
    assert value(x, y) == pytest.approx(naive(x.double(), y.double()), rel=1e-11)


def test_is_symmetric_and_does_not_depend_on_the_order():
    x, y = tables()
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    assert value(y, x) == pytest.approx(value(x, y), rel=1e-11)
    assert value(x[order], y) == pytest.approx(value(x, y), rel=1e-11)


def test_the_jackknife_from_sums_of_pairs_is_that_of_distances_computed_afresh():
    x, y = tables(103, 64)

    def without(z: Tensor, g: int) -> Tensor:
        return torch.cat([z[: len(z) * g // 10], z[len(z) * (g + 1) // 10 :]])

    a = [naive(without(x, g), y) for g in range(10)]
    b = [naive(x, without(y, g)) for g in range(10)]
    variance = sum(0.9 * sum((v - sum(values) / 10) ** 2 for v in values) for values in (a, b))
    found = kid(Features.of(x), Features.of(y))["kid"]
    assert found.more["standard_error"] == pytest.approx(variance**0.5, rel=1e-9)
    assert found.low is not None and found.high is not None
    assert (found.low + found.high) / 2 == pytest.approx(found.value, rel=1e-10)


def test_the_truth_for_gaussians_is_that_of_an_enormous_sample():
    d = 4
    means, covs = (0.5 * normal(d), torch.zeros(d, dtype=torch.float64)), (covariance(d, 1), covariance(d, 2))
    x, y = (gaussian(mean, cov, seed)(200_000) for seed, (mean, cov) in enumerate(zip(means, covs, strict=True)))
    sampled = [[z.mean(0), z.T @ z / len(z), torch.einsum("ni,nj,nk->ijk", z, z, z) / len(z)] for z in (x, y)]
    assert moment_gap(*sampled) == pytest.approx(kernel_distance(means[0], covs[0], means[1], covs[1]), rel=0.03)


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_is_unbiased(shift):
    d, zero = 6, torch.zeros(6, dtype=torch.float64)
    cov, other = covariance(d, 1), covariance(d, 1 if shift == 0 else 2)
    p, q = gaussian(zero, cov, 1), gaussian(zero + shift, other, 2)
    truth = kernel_distance(zero, cov, zero + shift, other)
    found = torch.tensor([value(p(20), q(30)) for _ in range(200)], dtype=torch.float64)
    assert (truth == 0) == (shift == 0)
    error = float(found.std() / 200**0.5)
    assert abs(float(found.mean()) - truth) < 3 * error
    with_the_diagonal = float(found.mean()) + float(cov.trace()) / d * (3 / 20 + 3 / 30)
    assert abs(with_the_diagonal - truth) > 3 * error  # so the test would notice a biased one


def test_may_be_negative():
    draw = gaussian(torch.zeros(4, dtype=torch.float64), covariance(4), 1)
    found = [kid(Features.of(draw(40)), Features.of(draw(40)))["kid"] for _ in range(20)]
    assert any(e.value < 0 for e in found)
    assert all(e.low is not None and e.low < 0 for e in found)


def test_at_most_a_group_and_a_block_are_read_at_a_time():
    real, fake = Watched(normal(2500, 3)), Watched(normal(12_000, 3, seed=1))
    kid(real.features(), fake.features())
    assert real.most <= 1000 and fake.most <= 1200


def test_input_that_cannot_be_compared_is_refused():
    x, y = (Features.of(z) for z in tables())
    with pytest.raises(AlphabarError, match=r"2 real images; this needs at least 3"):
        kid(x.part(0, 2), y)
    with pytest.raises(AlphabarError, match=r"5 features and the generated ones 4"):
        kid(x, Features.of(normal(30, 4)))
