"""Class coverage: how well the frequencies of generated classes match those of real ones.

A distance between features hardly shows that a class is missing; this metric does.
"""

import math

import torch
from torch import Tensor

from alphabar.metrics.checks import FAKE, REAL, enough, logits_of, same_dimension
from alphabar.metrics.estimate import Estimate
from alphabar.metrics.features import Features
from alphabar.metrics.jackknife import GROUPS, jackknife


def class_coverage(real: Features, fake: Features) -> dict[str, Estimate]:
    """`class_coverage`: Σ_k min(p_k, q_k), where p and q are the shares of the predicted classes; at most 1.

    This is 1 − the total variation distance of p and q. Shares differ by chance even if the distributions are equal, so
    the value is too low on average: by `chance` if the distributions agree, by almost nothing if they are far apart.
    The jackknife cannot tell these cases apart (|p − q| has a kink). So the interval for the two populations is the
    jackknife's, extended upward by `chance`.
    """
    real, fake = enough(real, REAL, 2), enough(fake, FAKE, 2)
    p, q = _counts(real, REAL), _counts(fake, FAKE)
    same_dimension(p.shape[1], REAL, q.shape[1], FAKE, "classes")
    p_all, q_all = p.sum(0), q.sum(0)
    value = _shared(p_all, q_all)
    without_real = [_shared(p_all - part, q_all) for part in p]
    without_fake = [_shared(p_all, q_all - part) for part in q]
    low, high = jackknife(value, without_real, without_fake).interval(value)
    chance = _chance(p_all, q_all)
    more = {
        "histogram": (q_all / q_all.sum()).tolist(),
        "reference_histogram": (p_all / p_all.sum()).tolist(),
        "chance": chance,
        "interval_of": "the coverage of the two populations",
    }
    return {"class_coverage": Estimate(value, max(0.0, low), min(1.0, high + chance), more)}


def _counts(features: Features, which: str) -> Tensor:
    """The number of images per group and predicted class, (G, K)."""
    groups = [logits_of(group, which).blocks() for group in features.groups(GROUPS)]
    return torch.stack([torch.stack([_histogram(block) for block in blocks]).sum(0) for blocks in groups])


def _histogram(logits: Tensor) -> Tensor:
    return logits.argmax(1).bincount(minlength=logits.shape[1]).double().cpu()


def _shared(p: Tensor, q: Tensor) -> float:
    """Σ_k min(p_k, q_k) of two histograms of counts (K,), each scaled to sum to 1."""
    return float(torch.minimum(p / p.sum(), q / q.sum()).sum())


def _chance(p: Tensor, q: Tensor) -> float:
    """The expected total variation distance of two samples of these sizes from the pooled distribution.

    Half the sum over the classes of E|N(0, s²)| = s √(2/π), where s² is the variance of the difference of the shares.
    """
    n, m = p.sum(), q.sum()
    pooled = (p + q) / (n + m)
    return float((pooled * (1 - pooled) * (1 / n + 1 / m)).sqrt().sum() / math.sqrt(2 * math.pi))
