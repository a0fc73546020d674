"""The Fréchet distance of Gaussians with the moments of real and generated features (FID; Heusel et al. 2017)."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from alphabar.errors import AlphabarError
from alphabar.metrics.checks import FAKE, REAL, comparable, dimension, enough, same_dimension
from alphabar.metrics.estimate import Estimate
from alphabar.metrics.features import Features, Moments, Sums, merged, sums
from alphabar.metrics.intervals import t_interval
from alphabar.metrics.jackknife import GROUPS, Jackknife, jackknife
from alphabar.terminal.progress import progress

LEAST = 3  # the jackknife leaves one image out, and a covariance needs two
PER_FEATURE = 4
"""With this many images per feature or more, the bias is of order 1/n up to a fraction of the standard error, which the
jackknife needs (simulated for d = 16..128)."""


def frechet_distance(a: Moments, b: Moments) -> float:
    """The Fréchet distance |μ_a − μ_b|² + tr(Σ_a + Σ_b − 2 (Σ_a Σ_b)^½), in float64."""
    return max(0.0, _distance(a, _root(a), b))


def fd(real: Features | Moments, fake: Features) -> dict[str, Estimate]:
    """`fd`: the Fréchet distance for this number n of images, as papers report it, with an upward bias of order 1/n.

    The interval is for the distance of the populations. Its centre is `corrected`, the value minus the estimated bias,
    so the whole interval may lie below the value. There is no interval if a set has fewer than PER_FEATURE images per
    feature: `corrected` is then closer to the truth than the value, but not close.
    """
    if isinstance(real, Moments):
        a, fake = _beside(real, enough(fake, FAKE, LEAST))
        a_parts = []
        interval_of = "the distance of the population of generated images to the given moments, taken as exact"
    else:
        real, fake = comparable(real, fake, LEAST)
        a_parts = _parts(real, real.vectors.part(0, 1000).load().double().mean(0))
        a = merged(a_parts)
        interval_of = "the distance of the two populations"
    b_parts = _parts(fake, a.mean)
    b = merged(b_parts)
    whole, knife = _jackknifed(a, a_parts, b, b_parts)
    more: dict[str, Any] = {"corrected": knife.corrected, "standard_error": knife.standard_error}
    sizes = {FAKE: b.n, **({REAL: a.n} if a_parts else {})}
    if few := [f"{n:,} {side}" for side, n in sizes.items() if n < PER_FEATURE * len(a.mean)]:
        more["no_interval"] = (
            f"{' and '.join(few)} images are too few for {len(a.mean)} features; at least "
            f"{PER_FEATURE * len(a.mean):,}{' of each' if len(few) > 1 else ''} are needed"
        )
        return {"fd": Estimate(max(0.0, whole), more=more)}
    low, high = t_interval(max(0.0, knife.corrected), knife.standard_error, knife.degrees)
    return {"fd": Estimate(max(0.0, whole), max(0.0, low), high, {**more, "interval_of": interval_of})}


def _jackknifed(a: Moments, a_parts: list[Sums], b: Moments, b_parts: list[Sums]) -> tuple[float, Jackknife]:
    """The distance and its jackknife estimate. Without a_parts, the moments `a` are taken as exact."""
    with progress("Fréchet distance", len(a_parts) + len(b_parts)) as advance:
        root = _root(a)
        whole = _distance(a, root, b)
        without = [_deletions(a, root, b_parts, advance)]
        if a_parts:
            without.append(_deletions(b, _root(b), a_parts, advance))
    return whole, jackknife(whole, *without)


def _deletions(a: Moments, root: Tensor, parts: list[Sums], advance: Callable[[int], None]) -> list[float]:
    """For each part, the distance of `a` from all the other parts. root: that of Σ_a, which saves a decomposition."""
    distances = []
    for g in range(len(parts)):
        distances.append(_distance(a, root, merged(parts[:g] + parts[g + 1 :])))
        advance(1)
    return distances


def _distance(a: Moments, root: Tensor, b: Moments) -> float:
    """The distance, given R with R Rᵀ = Σ_a. The symmetric matrix Rᵀ Σ_b R has the eigenvalues of Σ_a Σ_b."""
    gap = a.mean - b.mean
    shared = torch.linalg.eigvalsh(root.T @ b.cov @ root).clamp(min=0).sqrt().sum()
    return float(gap @ gap + a.cov.trace() + b.cov.trace() - 2 * shared)


def _root(moments: Moments) -> Tensor:
    """R with R Rᵀ = Σ. Eigenvalues that are negative by rounding count as 0."""
    values, vectors = torch.linalg.eigh(moments.cov)
    root: Tensor = vectors * values.clamp(min=0).sqrt()
    return root


def _parts(features: Features, centre: Tensor) -> list[Sums]:
    return [sums(group, centre) for group in features.groups(GROUPS)]


def _beside(real: Moments, fake: Features) -> tuple[Moments, Features]:
    """The moments, on the device of the features, and the features; raises AlphabarError if they do not match."""
    same_dimension(len(real.mean), "reference", dimension(fake), FAKE)
    if not bool(torch.isfinite(real.mean).all() and torch.isfinite(real.cov).all()):
        raise AlphabarError("The moments of the reference contain NaN or infinity; compute them again.")
    device = fake.vectors.part(0, 1).load().device
    return Moments(real.n, real.mean.to(device), real.cov.to(device)), fake
