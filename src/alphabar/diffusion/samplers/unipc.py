"""UniPC: a predictor–corrector of any order whose corrector costs no network call (Zhao et al. 2023)."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from alphabar.diffusion.denoiser import Denoiser
from alphabar.diffusion.errors import DiffusionError
from alphabar.diffusion.process import per_image
from alphabar.diffusion.samplers.exponential import exponential_step, log_snr_gap
from alphabar.diffusion.samplers.sampler import Grid, Noise, Step
from alphabar.diffusion.schedule import NoiseSchedule


@dataclass(frozen=True)
class UniPC:
    """UniPC-p in x̂_0 with B(h) = e^h − 1, `order` p = 1, 2 or 3, which is accurate to p + 1 (UniPC Alg. 7 and 8).

    Each x_t is predicted from earlier x̂_0, and corrected with its own x̂_0 before the next step, without another call.
    """

    order: int = 2
    grid: ClassVar[Grid] = Grid("karras", 15)
    calls: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if self.order not in (1, 2, 3):
            raise DiffusionError(f"The order of unipc must be 1, 2 or 3; got {self.order}.")

    @property
    def memory(self) -> int:
        """The corrector of order p uses p + 1 values of x̂_0: that of x_t, and p earlier ones."""
        return self.order

    def step(self, denoiser: Denoiser, x: Tensor, t: int, history: tuple[Step, ...], noise: Noise) -> Step:
        """Corrects x_t, then predicts x_{t−1}. The last steps have a lower order, and the last one returns x̂_0."""
        schedule, x0 = denoiser.schedule, denoiser(x, t).x0
        if history:
            x = self._corrected(schedule, x, x0, t, history)
        known = [(t, x0), *((step.t + 1, step.x0) for step in reversed(history))]
        return Step(t - 1, _moved(schedule, x, known[: self._order(t, len(history))], t - 1), x0, source=x)

    def _corrected(self, schedule: NoiseSchedule, x: Tensor, x0: Tensor, t: int, history: tuple[Step, ...]) -> Tensor:
        """x_t again, from the start of the last step, with x̂_0(x_t) now known."""
        source = history[-1].source
        assert source is not None, "this sampler keeps the source of each of its steps"
        if not bool(log_snr_gap(schedule, t + 1, t).isfinite()):
            return x
        known = [(step.t + 1, step.x0) for step in reversed(history)]
        return _moved(schedule, source, known[: self._order(t + 1, len(history) - 1)], t, arrived=x0)

    def _order(self, t: int, past: int) -> int:
        """The order of the step from t: at most the number of known x̂_0, and lower at the end, where h is large."""
        return min(self.order, past + 1, t)


def _moved(
    schedule: NoiseSchedule, x: Tensor, known: list[tuple[int, Tensor]], s: int, arrived: Tensor | None = None
) -> Tensor:
    """x_s from x at the level of the first of `known`: levels and their x̂_0, newest first; `arrived`: x̂_0 at s.

    x_s = (σ_s/σ_t) x + α_s (1 − e^{−h}) (x̂_0 + Σ_k ρ_k D_k / r_k), D_k = x̂_0^k − x̂_0, r_k the place of level k in units
    of h from t on: negative for the past, 1 for s (UniPC Eq. 3 and 9).
    """
    t, x0 = known[0]
    h = log_snr_gap(schedule, t, s)
    past = [(float(log_snr_gap(schedule, t, level) / h), value) for level, value in known[1:]]
    points = [(r, value) for r, value in past if math.isfinite(r)]
    points += [] if arrived is None else [(1.0, arrived)]
    mean = x0
    for weight, (r, value) in zip(_weights([r for r, _ in points], float(h)), points, strict=True):
        mean = mean + per_image(weight / r, x) * (value - x0)
    return exponential_step(schedule, x, mean, t, s)


def _weights(places: list[float], h: float) -> Tensor:
    """ρ_k, the solution of Σ_k ρ_k r_k^{n−1} = b_n, n = 1..p, for the places r_k; ½ for a single one (UniPC Eq. 5, 6).

    b_n = n! φ_n / (e^{−h} − 1) with φ_1 = (e^{−h} − 1)/(−h) − 1 and φ_{n+1} = φ_n/(−h) − 1/(n + 1)!.
    """
    if len(places) <= 1:
        return torch.full((len(places),), 0.5, dtype=torch.float64)
    r = torch.tensor(places, dtype=torch.float64)
    expm1 = math.expm1(-h)
    phi, b = expm1 / -h - 1, []
    for n in range(1, len(places) + 1):
        b.append(phi * math.factorial(n) / expm1)
        phi = phi / -h - 1 / math.factorial(n + 1)
    powers = torch.stack([r**n for n in range(len(places))])
    rho: Tensor = torch.linalg.solve(powers, torch.tensor(b, dtype=torch.float64))
    return rho
