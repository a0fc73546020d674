"""Samples, distributions with known distances, and a watchful reader, that several tests share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from alphabar.metrics.estimate import Estimate
from alphabar.metrics.features import Features, Rows

Draw = Callable[[int], Tensor]
"""How many -> that many vectors (n, d), fresh ones at each call."""


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> Tensor:
    """float64, N(0, 1)."""
    return torch.randn(shape, generator=generator(seed), dtype=torch.float64)


def covariance(d: int, seed: int = 0) -> Tensor:
    """Eigenvalues from about 0.3 to 3, in no direction in particular."""
    return rotation(d, seed) @ torch.diag(normal(d, seed=seed + 1).mul(0.7).exp()) @ rotation(d, seed).T


def rotation(d: int, seed: int = 0) -> Tensor:
    return torch.linalg.qr(normal(d, d, seed=seed))[0]


def gaussian(mean: Tensor, cov: Tensor, seed: int) -> Draw:
    source, factor = generator(seed), torch.linalg.cholesky(cov)
    return lambda n: mean + torch.randn(n, len(mean), generator=source, dtype=torch.float64) @ factor.T


def kernel_distance(mean: Tensor, cov: Tensor, other_mean: Tensor, other_cov: Tensor) -> float:
    """The MMD² of two Gaussians for k(x, y) = (x·y/d + 1)³ = Σ_j binom(3, j) d⁻ʲ x⊗ʲ·y⊗ʲ."""
    return moment_gap(tensor_moments(mean, cov), tensor_moments(other_mean, other_cov))


def moment_gap(p: Sequence[Tensor], q: Sequence[Tensor]) -> float:
    """3 |p_1 − q_1|²/d + 3 |p_2 − q_2|²/d² + |p_3 − q_3|²/d³, p_j and q_j the means of x⊗ʲ."""
    first, second, third = (float((a - b).square().sum()) for a, b in zip(p, q, strict=True))
    d = len(p[0])
    return 3 * first / d + 3 * second / d**2 + third / d**3


def tensor_moments(mean: Tensor, cov: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """E x_i, E x_i x_j, E x_i x_j x_k of a Gaussian."""
    third = torch.einsum("i,j,k->ijk", mean, mean, mean)
    for pattern in ("i,jk->ijk", "j,ik->ijk", "k,ij->ijk"):
        third = third + torch.einsum(pattern, mean, cov)
    return mean, torch.outer(mean, mean) + cov, third


def covered(truth: float, estimates: list[Estimate]) -> int:
    return sum(e.low is not None and e.high is not None and e.low <= truth <= e.high for e in estimates)


@dataclass
class Watched:
    """A table that notes how many rows were read, and how many at most at a time."""

    table: Tensor
    total: int = 0
    most: int = field(default=0)

    def rows(self) -> Rows:
        return Rows(self.read, 0, len(self.table))

    def read(self, first: int, last: int) -> Tensor:
        self.total, self.most = self.total + last - first, max(self.most, last - first)
        return self.table[first:last]

    def features(self) -> Features:
        return Features(self.rows())
