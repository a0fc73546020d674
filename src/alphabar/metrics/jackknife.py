"""The delete-a-group jackknife: the bias and the error of a statistic, from leaving out a tenth at a time.

A statistic θ of n images has a bias b/n + O(1/n²) (Quenouille 1956) and pseudo-values Gθ − (G − 1)θ_(−g) that scatter
like independent estimates (Tukey 1958). The variance so found is too large rather than too small (Efron & Stein 1981),
so the intervals err on the wide side.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from alphabar.metrics.intervals import t_interval

GROUPS = 10


@dataclass(frozen=True)
class Jackknife:
    """θ less its bias of order 1/n, the standard error of θ, and the degrees of freedom of that error."""

    corrected: float
    standard_error: float
    degrees: float

    def interval(self, centre: float | None = None) -> tuple[float, float]:
        """95 %, by Student's t, about `centre`; about the corrected value if there is none."""
        return t_interval(self.corrected if centre is None else centre, self.standard_error, self.degrees)


def jackknife(whole: float, *without: Sequence[float]) -> Jackknife:
    """θ = `whole` of one or more independent samples; `without` gives, for each sample, its θ_(−g), g = 1..G.

    Biases and variances add up over the samples; degrees of freedom by Welch & Satterthwaite.
    """
    if min(map(len, without)) < 2:
        raise ValueError(f"A jackknife needs at least two groups; got {min(map(len, without))}.")
    means = [sum(values) / len(values) for values in without]
    biases = [(len(values) - 1) * (mean - whole) for values, mean in zip(without, means, strict=True)]
    variances = [
        (len(values) - 1) / len(values) * sum((value - mean) ** 2 for value in values)
        for values, mean in zip(without, means, strict=True)
    ]
    total = sum(variances)
    spread = sum(v**2 / (len(values) - 1) for v, values in zip(variances, without, strict=True))
    degrees = total**2 / spread if spread > 0 else min(map(len, without)) - 1
    return Jackknife(whole - sum(biases), total**0.5, degrees)
