"""Formulas for 95 % confidence intervals: Student's t for means, Wilson's interval for shares."""

import math
from collections.abc import Callable
from statistics import NormalDist

Z = NormalDist().inv_cdf(0.975)


def student_t(degrees: float) -> float:
    """The t with P(|T| < t) = 0.95, where T has Student's distribution with `degrees` >= 1 degrees of freedom.

    `degrees` need not be an integer. Newton's method starts from the normal quantile 1.96. It never overshoots, because
    the density decreases towards the solution.
    """
    log_peak = math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2) - 0.5 * math.log(math.pi * degrees)

    def density(x: float) -> float:
        return math.exp(log_peak - (degrees + 1) / 2 * math.log1p(x * x / degrees))

    t, step = Z, 1.0
    while step > 1e-10:
        step = (0.475 - _integral(density, t)) / density(t)
        t += step
    return t


def t_interval(centre: float, standard_error: float, degrees: float) -> tuple[float, float]:
    """The interval centre ± t · standard_error, with Student's t for `degrees` degrees of freedom."""
    half = student_t(degrees) * standard_error
    return centre - half, centre + half


def wilson(share: float, n: int) -> tuple[float, float]:
    """The interval of a share among n independent cases (Wilson 1927), which is sound even if the share is 0 or 1."""
    centre = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return (0.0 if share == 0 else low), (1.0 if share == 1 else high)


def _integral(f: Callable[[float], float], end: float, pieces: int = 500) -> float:
    """∫_0^end f(x) dx by Simpson's rule with `pieces` (even) intervals."""
    width = end / pieces
    inner = sum((4 if i % 2 else 2) * f(i * width) for i in range(1, pieces))
    return (f(0.0) + inner + f(end)) * width / 3
