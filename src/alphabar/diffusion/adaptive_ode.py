"""Many independent ODEs at once, each with its own step: the Runge–Kutta pair 4(5) of Dormand and Prince (1980).

The controller and the first step are those of Hairer, Nørsett & Wanner, "Solving Ordinary Differential Equations I".
"""

from collections.abc import Callable

import torch
from torch import Tensor

Derivative = Callable[[Tensor, Tensor], Tensor]
"""(s (B,), y (B, D)) -> dy/ds (B, D), all float64; row b may depend on row b alone."""

_C = (1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0)
_A = (
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
)
_B = (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84)
_ERROR = (-71 / 57600, 0.0, 71 / 16695, -71 / 1920, 17253 / 339200, -22 / 525, 1 / 40)
_SAFETY, _SHRINK, _GROW = 0.9, 0.2, 10.0
_EXPONENT = -1 / 5


def solve(derivative: Derivative, start: Tensor, first: float, last: float, tolerance: float) -> tuple[Tensor, Tensor]:
    """y (B, D) at s = `last` ≥ `first`, where it was `start`; and the number of derivatives of each row (B,).

    The error of a step, relative and absolute, is at most about `tolerance`. ArithmeticError if a step vanishes: the
    derivative is not finite, or has a pole.
    """
    s = torch.full((len(start),), first, dtype=torch.float64)
    calls = torch.zeros(len(start), dtype=torch.int64)
    if first == last:
        return start, calls
    y, slope = start, derivative(s, start)
    h = _first_step(derivative, s, y, slope, last - first, tolerance)
    calls += 2
    while bool((is_active := s < last).any()):
        h = torch.minimum(h, last - s)
        if bool((is_active & ~(s + h > s)).any()):
            raise ArithmeticError(f"the step vanishes at {float(s[is_active].min()):g}")
        slopes = [slope]
        for c, row in zip(_C, _A, strict=True):
            slopes.append(derivative(s + c * h, y + h[:, None] * _combined(row, slopes)))
        new = y + h[:, None] * _combined(_B, slopes)
        slopes.append(derivative(s + h, new))
        calls += 6 * is_active
        scale = tolerance * (1 + torch.maximum(y.abs(), new.abs()))
        error = _size(h[:, None] * _combined(_ERROR, slopes) / scale)
        is_good = (error <= 1) & is_active  # not where it is NaN
        factor = torch.nan_to_num(_SAFETY * error**_EXPONENT, nan=_SHRINK, posinf=_GROW).clamp(_SHRINK, _GROW)
        s = torch.where(is_good, torch.where(h == last - s, last, s + h), s)
        y, slope = (torch.where(is_good[:, None], a, b) for a, b in ((new, y), (slopes[-1], slope)))
        h = h * torch.where(is_good, factor, factor.clamp(max=1))
    return y, calls


def _first_step(derivative: Derivative, s: Tensor, y: Tensor, slope: Tensor, span: float, tolerance: float) -> Tensor:
    scale = tolerance * (1 + y.abs())
    level, steepness = _size(y / scale), _size(slope / scale)
    h0 = torch.where((level < 1e-5) | (steepness < 1e-5), 1e-6, 0.01 * level / steepness).clamp(max=span)
    bend = _size((derivative(s + h0, y + h0[:, None] * slope) - slope) / scale) / h0
    steepest = torch.maximum(steepness, bend)
    h1 = torch.where(steepest <= 1e-15, (h0 * 1e-3).clamp(min=1e-6), (0.01 / steepest) ** -_EXPONENT)
    return torch.minimum(100 * h0, h1).nan_to_num(nan=1e-6).clamp(max=span)


def _combined(weights: tuple[float, ...], slopes: list[Tensor]) -> Tensor:
    return sum((w * k for w, k in zip(weights, slopes, strict=True)), torch.zeros_like(slopes[0]))


def _size(values: Tensor) -> Tensor:
    """The root mean square of each row."""
    return values.square().mean(1).sqrt()
