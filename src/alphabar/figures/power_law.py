"""L = a C^−b + c, fitted to measured points with bootstrap intervals."""

from dataclasses import dataclass

import numpy as np

from alphabar.plots import Array

LEAST = 3
"""Different C of a fit of a and b."""
WITH_FLOOR = 7
"""Different C of a fit of c, too: with fewer, c and b take each other's place."""
_EXPONENTS = np.geomspace(1e-3, 5, 600)
_LEAST_ANGLE = 1e-12  # sin² of that between C^−b and 1, below which they cannot be told apart


@dataclass(frozen=True)
class PowerLaw:
    """L = a C^−b + c with 95 % intervals (low, high) of a, b and c.

    c is 0 with the interval (0, 0) if there are fewer than WITH_FLOOR points. error: the relative error of a point,
    from the residuals.
    """

    a: float
    b: float
    c: float
    a_interval: tuple[float, float]
    b_interval: tuple[float, float]
    c_interval: tuple[float, float]
    error: float

    def at(self, compute: Array) -> Array:
        """L at these C, an array of the same shape."""
        return self.a * compute**-self.b + self.c


def fitted(compute: Array, loss: Array, *, draws: int = 2000, level: float = 0.95) -> PowerLaw | None:
    """The power law of loss (N,) > 0 over compute (N,) > 0 with the least sum of squared relative errors.

    a ≥ 0, b > 0 and c ≥ 0. The intervals are of a parametric bootstrap: the law is fitted to `draws` sets of points on
    the fitted one with relative Gaussian errors, whose size is drawn, too, as the residuals of N points leave it open
    (s² ν/χ²_ν). None if there are fewer than LEAST different C.
    """
    if len(np.unique(compute)) < LEAST:
        return None
    floor = len(np.unique(compute)) >= WITH_FLOOR
    scale = float(np.exp(np.log(compute).mean()))  # C^−b stays a number near 1
    x, freedom = compute / scale, len(loss) - (3 if floor else 2)
    a, b, c = _least_squares(x, loss[None], floor)[0]
    mean = a * x**-b + c
    error = float(np.sqrt(((loss / mean - 1) ** 2).sum() / freedom))
    generator = np.random.default_rng(0)
    sizes = error * np.sqrt(freedom / generator.chisquare(freedom, draws))
    drawn = mean * (1 + sizes[:, None] * generator.standard_normal((draws, len(x))))
    several = _least_squares(x, np.maximum(drawn, 1e-9 * mean), floor)
    several[:, 0] *= scale ** several[:, 1]
    low, high = np.quantile(several, [(1 - level) / 2, (1 + level) / 2], axis=0)
    of_a, of_b, of_c = ((float(at), float(to)) for at, to in zip(low, high, strict=True))
    return PowerLaw(float(a * scale**b), float(b), float(c), of_a, of_b, of_c, error)


def envelope(compute: Array, loss: Array) -> Array:
    """Which points (N,) no other beats with as little compute, as booleans; of equal points the first."""
    order = np.lexsort((loss, compute))
    best, on = np.inf, np.zeros(len(loss), bool)
    for k in order:
        on[k], best = loss[k] < best, min(best, loss[k])
    return on


def _least_squares(x: Array, losses: Array, floor: bool) -> Array:
    """(a, b, c) of each row of losses (D, N), as (D, 3): for each b of a grid a and c solve linear equations."""
    best = np.full((len(losses), 4), np.inf)  # the sum of squares, a, b, c
    weights = 1 / losses
    for b in _EXPONENTS:
        u = weights * x**-b  # (D, N); the equations are a u + c w = 1
        uu, ww, uw = ((p * q).sum(1) for p, q in ((u, u), (weights, weights), (u, weights)))
        u1, w1 = u.sum(1), weights.sum(1)
        a, c = u1 / uu, np.zeros(len(losses))
        if floor:
            determinant = uu * ww - uw**2
            solvable = determinant > _LEAST_ANGLE * uu * ww
            divisor = np.where(solvable, determinant, 1.0)
            inside, shift = (u1 * ww - w1 * uw) / divisor, (w1 * uu - u1 * uw) / divisor
            good = solvable & (inside >= 0) & (shift >= 0)
            a, c = np.where(good, inside, a), np.where(good, shift, c)
        error = ((a[:, None] * u + c[:, None] * weights - 1) ** 2).sum(1)
        better = error < best[:, 0]
        best[better] = np.stack([error, a, np.full_like(a, b), c], 1)[better]
    return best[:, 1:]
