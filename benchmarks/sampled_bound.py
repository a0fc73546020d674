"""The variational bound of many images from few of its terms: an unbiased estimate that is stratified over t.

L_0, ..., L_{EXACT−1}, where the bits are, are all computed. The rest of 1..T is cut into STRATA ranges of nearly equal
length; in each of them every image draws one t uniformly, whose term counts as often as the range is long. The mean
over the draws is the whole sum, whatever L_t is. An image draws the same t and ε under every network with the same T,
so that differences between networks are paired.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from alphabar.diffusion import Denoiser, q_sample
from alphabar.diffusion.likelihood import prior_term, vlb_term
from alphabar.images import to_signed

EXACT, STRATA, BATCH = 32, 300, 64


@dataclass(frozen=True)
class Bits:
    """Bits per dimension of N images, (N,) float64 each; total = rate + distortion."""

    rate: Tensor
    distortion: Tensor

    def save(self, path: Path, rows: Tensor) -> None:
        np.savez(path, rows=rows.numpy(), rate=self.rate.numpy(), distortion=self.distortion.numpy())


def ranges(T: int, exact: int = EXACT, strata: int = STRATA) -> Tensor:
    """The first t of each range and its length, (2, K) int64: 1..exact alone, then ranges of nearly equal length."""
    exact = min(exact, T)
    edges = torch.linspace(exact, T, min(strata, T - exact) + 1, dtype=torch.float64).round().long().unique()
    first = torch.cat([torch.arange(1, exact + 1), edges[:-1] + 1])
    return torch.stack([first, torch.cat([first[1:], torch.tensor([T + 1])]) - first])


def sampled_bound(
    denoiser: Denoiser, images: Tensor, seeds: list[int], exact: int = EXACT, strata: int = STRATA
) -> Bits:
    """The bound of images uint8 (N, C, H, W) with the exact decoder; one seed for the t and ε of each image."""
    parts = [
        _batch(denoiser, images[k : k + BATCH], seeds[k : k + BATCH], ranges(denoiser.schedule.T, exact, strata))
        for k in range(0, len(images), BATCH)
    ]
    return Bits(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _batch(denoiser: Denoiser, images: Tensor, seeds: list[int], cuts: Tensor) -> tuple[Tensor, Tensor]:
    first, length = cuts
    x0 = to_signed(images).contiguous(memory_format=torch.channels_last)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    u = torch.stack([torch.rand(len(first), generator=g, dtype=torch.float64) for g in generators])
    times = first + (u * length).long()  # (B, K)
    sums = torch.zeros(2, len(images), dtype=torch.float64)
    sums[0] = prior_term(denoiser.schedule, x0)
    with torch.no_grad():
        for k in range(len(first)):
            eps = torch.stack([torch.randn(x0.shape[1:], generator=g) for g in generators]).to(x0)
            t = times[:, k]
            term = vlb_term(denoiser, x0, q_sample(denoiser.schedule, x0, t, eps), t)
            sums[1 if k == 0 else 0] += term * length[k]
    return sums[0], sums[1]
