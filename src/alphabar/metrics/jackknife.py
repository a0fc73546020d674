"""The delete-a-group jackknife: estimates bias and standard error of a statistic by leaving out one group at a time.

A statistic θ of n images has a bias b/n + O(1/n²) (Quenouille 1956). Its pseudo-values Gθ − (G − 1)θ_(−g), where θ_(−g)
leaves out group g of G, vary like independent estimates (Tukey 1958). The variance is overestimated on average rather
than underestimated (Efron & Stein 1981), so intervals tend to be too wide.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from alphabar.errors import AlphabarError
from alphabar.metrics.intervals import t_interval

GROUPS = 10


@dataclass(frozen=True)
class Jackknife:
    """θ minus its estimated bias, the standard error of θ, and the degrees of freedom of the standard error."""

    corrected: float
    standard_error: float
    degrees: float

    def interval(self, centre: float | None = None) -> tuple[float, float]:
        """The 95 % interval by Student's t, about `centre` or, by default, about the corrected value."""
        return t_interval(self.corrected if centre is None else centre, self.standard_error, self.degrees)


def jackknife(whole: float, *without: Sequence[float]) -> Jackknife:
    """The jackknife of a statistic of one or more independent samples.

    Biases and variances of the samples add up. The degrees of freedom are those of Welch & Satterthwaite.

    whole: θ of all images.
    without: for each sample, its values θ_(−g), g = 1..G.
    """
    if min(map(len, without)) < 2:
        raise AlphabarError(f"A jackknife needs at least two groups; got {min(map(len, without))}.")
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
