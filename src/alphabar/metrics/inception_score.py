"""The Inception Score: exp of the mutual information of image and predicted class (Salimans et al. 2016)."""

import math
from statistics import fmean, pstdev, stdev

from torch import Tensor

from alphabar.metrics.checks import FAKE, enough, logits_of
from alphabar.metrics.estimate import Estimate
from alphabar.metrics.features import Features, Moments
from alphabar.metrics.intervals import t_interval

SPLITS = 10


def inception_score(real: Features | Moments | None, fake: Features) -> dict[str, Estimate]:
    """`score`: the mean over ten contiguous splits of exp E KL(p(class | image) ‖ p(class)), at least 1.

    The real images are ignored. `std` is the number that papers print beside the score: the standard deviation over the
    ten splits, with divisor 10 instead of 9. It is not a standard error. The interval, by Student's t over the splits,
    is for the mean score of a split of this size, which grows with the size.
    """
    fake = enough(fake, FAKE, SPLITS)
    scores = [_score(logits_of(split, FAKE).load()) for split in fake.groups(SPLITS)]
    value = fmean(scores)
    low, high = t_interval(value, stdev(scores) / math.sqrt(SPLITS), SPLITS - 1)
    interval_of = f"the score that {len(fake) // SPLITS} images have on average"
    more = {"splits": SPLITS, "std": pstdev(scores), "interval_of": interval_of}
    return {"score": Estimate(value, max(1.0, low), high, more)}


def _score(logits: Tensor) -> float:
    """exp of the mean over the images of Σ_k p_k (log p_k − log p̄_k), in float64."""
    log_p = logits.double().log_softmax(1)
    log_mean = log_p.logsumexp(0) - math.log(len(log_p))
    return math.exp(float((log_p.exp() * (log_p - log_mean)).sum(1).mean()))
