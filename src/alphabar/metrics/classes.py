"""Which classes are generated, and how often: a lost one is easy to miss in a distance."""

import math

import torch
from torch import Tensor

from alphabar.metrics.checks import FAKE, REAL, enough, logits_of, same_dimension
from alphabar.metrics.estimate import Estimate
from alphabar.metrics.features import Features
from alphabar.metrics.jackknife import GROUPS, jackknife


def class_coverage(real: Features, fake: Features) -> dict[str, Estimate]:
    """`class_coverage`: Σ_k min(p_k, q_k) = 1 − the total variation of the shares of predicted classes.

    Shares differ by chance even if the distributions do not, so the value is too low on average: by `chance` if they
    agree, by next to nothing if they are far apart. The jackknife cannot tell which (|p − q| has a kink), so the
    interval, for the two populations, extends its own by `chance` upward.
    """
    real, fake = enough(real, REAL, 2), enough(fake, FAKE, 2)
    p, q = _counts(real, REAL), _counts(fake, FAKE)
    same_dimension(p.shape[1], REAL, q.shape[1], FAKE, "classes")
    p_all, q_all = p.sum(0), q.sum(0)
    value = _shared(p_all, q_all)
    found = jackknife(value, [_shared(p_all - part, q_all) for part in p], [_shared(p_all, q_all - part) for part in q])
    low, high = found.interval(value)
    chance = _chance(p_all, q_all)
    more = {
        "histogram": (q_all / q_all.sum()).tolist(),
        "reference_histogram": (p_all / p_all.sum()).tolist(),
        "chance": chance,
        "interval_of": "the coverage of the two populations",
    }
    return {"class_coverage": Estimate(value, max(0.0, low), min(1.0, high + chance), more)}


def _counts(features: Features, which: str) -> Tensor:
    """How many images of each group are of each predicted class, (G, K)."""
    groups = [logits_of(group, which).blocks() for group in features.groups(GROUPS)]
    return torch.stack([torch.stack([_histogram(block) for block in blocks]).sum(0) for blocks in groups])


def _histogram(logits: Tensor) -> Tensor:
    return logits.argmax(1).bincount(minlength=logits.shape[1]).double().cpu()


def _shared(p: Tensor, q: Tensor) -> float:
    """Σ min of the shares that these counts are."""
    return float(torch.minimum(p / p.sum(), q / q.sum()).sum())


def _chance(p: Tensor, q: Tensor) -> float:
    """The mean total variation of two samples of these sizes from one distribution: E|N(0, s²)| = s √(2/π), halved."""
    n, m = p.sum(), q.sum()
    pooled = (p + q) / (n + m)
    return float((pooled * (1 - pooled) * (1 / n + 1 / m)).sqrt().sum() / math.sqrt(2 * math.pi))
